// Run Python code other than programs: component packages and policy packs.
package main

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func (host *languageHost) RunPlugin(
	request *pulumirpc.RunPluginRequest, stream grpc.ServerStreamingServer[pulumirpc.RunPluginResponse],
) error {
	run := map[string]pluginRunner{
		string(apitype.AnalyzerPlugin): runPolicyPack,
		string(apitype.ResourcePlugin): runComponentPackage,
	}[request.GetKind()]
	if run == nil {
		return status.Errorf(codes.Unimplemented, "the sandbox does not run plugins of kind %q", request.GetKind())
	}
	closer, stdout, stderr, err := rpcutil.MakeRunPluginStreams(stream, false)
	if err != nil {
		return err
	}
	defer closer.Close()
	err = run(stream.Context(), request, stdout, stderr)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return stream.Send(&pulumirpc.RunPluginResponse{
			Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(exit.ExitCode())},
		})
	}
	return err
}

type pluginRunner func(
	ctx context.Context, request *pulumirpc.RunPluginRequest, stdout, stderr io.Writer,
) error

// runComponentPackage runs a component package, which serves the engine directly.
func runComponentPackage(
	ctx context.Context, request *pulumirpc.RunPluginRequest, stdout, stderr io.Writer,
) error {
	tools, err := resolve(request.GetInfo())
	if err != nil {
		return err
	}
	program := filepath.Join(request.GetInfo().GetProgramDirectory(), request.GetInfo().GetEntryPoint())
	provider, err := tools.Command(ctx, append([]string{"-u", program}, request.GetArgs()...)...)
	if err != nil {
		return err
	}
	provider.Dir = request.GetPwd()
	provider.Env = append(provider.Env, request.GetEnv()...)
	provider.Stdout, provider.Stderr = stdout, stderr
	return provider.Run()
}

// runPolicyPack runs a policy pack behind Pulumi's proxy. The policy SDK for Python reads the stack and its
// configuration only from environment variables, so the proxy first waits until the engine has sent them.
func runPolicyPack(
	ctx context.Context, request *pulumirpc.RunPluginRequest, stdout, stderr io.Writer,
) error {
	proxy, packOutput, err := sdk.NewPolicyProxy(ctx, stdout)
	if err != nil {
		return err
	}
	stack, err := proxy.AwaitConfiguration(ctx)
	if err != nil {
		return err
	}
	tools, err := resolve(request.GetInfo())
	if err != nil {
		return err
	}
	pack, err := tools.ModuleCommand(ctx, "pulumi.policy",
		append(request.GetArgs(), request.GetInfo().GetProgramDirectory())...)
	if err != nil {
		return err
	}
	pack.Dir = request.GetPwd()
	pack.Env = append(append(pack.Env, request.GetEnv()...), stackEnvironment(stack)...)
	pack.Stdout, pack.Stderr = packOutput, stderr
	if err := pack.Start(); err != nil {
		return err
	}
	return proxy.Attach(ctx, pack)
}

// stackEnvironment describes the stack in the variables that the policy SDK reads.
func stackEnvironment(stack *pulumirpc.AnalyzerStackConfigureRequest) []string {
	if stack == nil {
		return nil // the engine analyzes the pack without a stack
	}
	return append(configuration(stack.GetConfig(), stack.GetConfigSecretKeys()),
		"PYTHONUNBUFFERED=1",
		"PULUMI_ORGANIZATION="+stack.GetOrganization(),
		"PULUMI_PROJECT="+stack.GetProject(),
		"PULUMI_STACK="+stack.GetStack(),
		"PULUMI_DRY_RUN="+strconv.FormatBool(stack.GetDryRun()),
	)
}
