// Write the Python package that a program imports to use a component in any language.
//
// This is a separate program, which the language host runs only when needed, because Pulumi's generator
// doubles a process's start time, and every CLI command starts the host twice. It reads a
// GeneratePackageRequest from standard input, and writes a GeneratePackageResponse to standard output.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/proto"
)

func main() {
	if err := answer(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answer(input io.Reader, output io.Writer) error {
	message, err := io.ReadAll(input)
	if err != nil {
		return err
	}
	var request pulumirpc.GeneratePackageRequest
	if err := proto.Unmarshal(message, &request); err != nil {
		return err
	}
	response, err := generate(&request)
	if err != nil {
		return err
	}
	message, err = proto.Marshal(response)
	if err != nil {
		return err
	}
	_, err = output.Write(message)
	return err
}

func generate(request *pulumirpc.GeneratePackageRequest) (*pulumirpc.GeneratePackageResponse, error) {
	loader, err := schema.NewLoaderClient(request.GetLoaderTarget())
	if err != nil {
		return nil, err
	}
	var specification schema.PackageSpec
	if err := json.Unmarshal([]byte(request.GetSchema()), &specification); err != nil {
		return nil, err
	}
	described, problems, err := schema.BindSpec(specification, loader, schema.ValidationOptions{})
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GeneratePackageResponse{
		Diagnostics: plugin.HclDiagnosticsToRPCDiagnostics(problems),
	}
	if problems.HasErrors() {
		return response, nil
	}
	files, err := python.GeneratePackage(
		"pulumi-language-python", described, request.GetExtraFiles(), schema.NewCachedLoader(loader))
	if err != nil {
		return nil, err
	}
	for name, content := range files {
		file := filepath.Join(request.GetDirectory(), name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return nil, err
		}
	}
	return response, nil
}
