// Run Python programs for an engine built from Pulumi's Go module.
//
// The official CLI includes pulumi-language-python, but the CLI's Go module does not. This program
// implements the parts that the sandbox needs. Pulumi's own code handles toolchains and virtual
// environments, so the runtime options in Pulumi.yaml have their usual meaning.
// Protocol: https://github.com/pulumi/pulumi/blob/master/proto/pulumi/language.proto
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	// The executor's exit code if it has already shown the error to the user.
	exitAfterShownError = 32
	// How often to check that the engine is still running, because a killed engine sends no signal.
	engineCheckInterval = 100 * time.Millisecond
)

func main() {
	flag.String("root", "", "accepted for compatibility: the request names the root directory")
	flag.String("tracing", "", "accepted for compatibility: this host emits no traces")
	flag.Parse()
	if err := serve(flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-language-python:", err)
		os.Exit(1)
	}
}

// serve handles the engine's requests until the engine ends or a signal arrives.
func serve(engineAddress string) error {
	running, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if engineAddress != "" {
		if err := rpcutil.Healthcheck(running, engineAddress, engineCheckInterval, stop); err != nil {
			return fmt.Errorf("watch the engine at %s: %w", engineAddress, err)
		}
	}
	cancel := make(chan bool)
	go func() {
		<-running.Done()
		close(cancel)
	}()
	host := &languageHost{engineAddress: engineAddress}
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, host)
			return nil
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(handle.Port) // the engine reads the port from the first line
	return <-handle.Done
}

type languageHost struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engineAddress string
}

func (host *languageHost) Handshake(
	context.Context, *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (host *languageHost) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

// GetRequiredPackages returns no packages, so the engine loads each provider when a resource requires it.
func (host *languageHost) GetRequiredPackages(
	context.Context, *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

func (host *languageHost) InstallDependencies(
	request *pulumirpc.InstallDependenciesRequest,
	stream grpc.ServerStreamingServer[pulumirpc.InstallDependenciesResponse],
) error {
	closer, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(stream, request.GetIsTerminal())
	if err != nil {
		return err
	}
	defer closer.Close()
	tools, err := resolve(request.GetInfo())
	if err != nil {
		return err
	}
	return tools.InstallDependencies(stream.Context(), request.GetInfo().GetProgramDirectory(),
		request.GetUseLanguageVersionTools(), true, stdout, stderr)
}

// Run runs the program with the executor from Pulumi's SDK.
// When the engine's connection closes, the request's context ends, and so does the program.
func (host *languageHost) Run(
	ctx context.Context, request *pulumirpc.RunRequest,
) (*pulumirpc.RunResponse, error) {
	tools, err := resolve(request.GetInfo())
	if err != nil {
		return nil, err
	}
	if err := tools.ValidateVenv(ctx); err != nil {
		return nil, err
	}
	arguments, err := host.executorArguments(request)
	if err != nil {
		return nil, err
	}
	program, err := tools.Command(ctx, arguments...)
	if err != nil {
		return nil, err
	}
	program.Stdout, program.Stderr = os.Stdout, os.Stderr
	program.Env = append(program.Env, configuration(request.GetConfig(), request.GetConfigSecretKeys())...)
	return outcome(program.Run())
}

// outcome distinguishes a program that has shown its error from one that ended without an explanation.
func outcome(err error) (*pulumirpc.RunResponse, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case errors.As(err, &exit) && exit.ExitCode() == exitAfterShownError:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case errors.As(err, &exit):
		// The same text as in Pulumi's language host.
		return &pulumirpc.RunResponse{
			Error: fmt.Sprintf("Program exited with non-zero exit code: %d", exit.ExitCode()),
		}, nil
	default:
		return nil, err
	}
}

func (host *languageHost) executorArguments(request *pulumirpc.RunRequest) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	self, err = filepath.EvalSymlinks(self)
	if err != nil {
		return nil, err
	}
	arguments := []string{
		"-u", filepath.Join(filepath.Dir(self), "pulumi-language-python-exec"),
		"--monitor", request.GetMonitorAddress(),
		"--engine", host.engineAddress,
		"--project", request.GetProject(),
		"--stack", request.GetStack(),
		"--organization", request.GetOrganization(),
		"--root_directory", request.GetInfo().GetRootDirectory(),
		"--pwd", request.GetPwd(),
		"--parallel", strconv.Itoa(int(request.GetParallel())),
	}
	if request.GetDryRun() {
		arguments = append(arguments, "--dry_run", "true")
	}
	entry := filepath.Join(request.GetInfo().GetProgramDirectory(), request.GetInfo().GetEntryPoint())
	return append(append(arguments, entry), request.GetArgs()...), nil
}

// configuration returns a stack's configuration in the variables that the SDKs read.
func configuration(values map[string]string, secretKeys []string) []string {
	if values == nil {
		values = map[string]string{} // the SDK does not accept null
	}
	if secretKeys == nil {
		secretKeys = []string{}
	}
	encodedValues, _ := json.Marshal(values) // maps and lists of strings cause no errors
	encodedKeys, _ := json.Marshal(secretKeys)
	return []string{
		"PULUMI_CONFIG=" + string(encodedValues),
		"PULUMI_CONFIG_SECRET_KEYS=" + string(encodedKeys),
	}
}

// resolve reads the runtime options in Pulumi.yaml. It rejects options that the sandbox does not support,
// such as `typechecker`, so that no program runs without a type check that its options request.
func resolve(info *pulumirpc.ProgramInfo) (toolchain.Toolchain, error) {
	options := toolchain.PythonOptions{Root: info.GetRootDirectory(), ProgramDir: info.GetProgramDirectory()}
	for name, value := range info.GetOptions().GetFields() {
		text := value.GetStringValue()
		switch name {
		case "virtualenv":
			options.Virtualenv = text
		case "toolchain":
			switch text {
			case "pip":
				options.Toolchain = toolchain.Pip
			case "poetry":
				options.Toolchain = toolchain.Poetry
			case "uv":
				options.Toolchain = toolchain.Uv
			default:
				return nil, fmt.Errorf("runtime option toolchain: %q is not pip, poetry or uv", text)
			}
		default:
			return nil, fmt.Errorf("runtime option %s: the sandbox's language host supports only toolchain and virtualenv", name)
		}
	}
	return toolchain.ResolveToolchain(options)
}
