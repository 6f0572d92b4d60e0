// How does a Python program get the package of a component that is written in any language?
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/proto"
)

// GeneratePackage has the package written that a program imports, by the program beside this one.
func (host *languageHost) GeneratePackage(
	ctx context.Context, request *pulumirpc.GeneratePackageRequest,
) (*pulumirpc.GeneratePackageResponse, error) {
	generator, err := beside("generate-python-package")
	if err != nil {
		return nil, err
	}
	asked, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	generate := exec.CommandContext(ctx, generator)
	generate.Stdin = bytes.NewReader(asked)
	told, err := generate.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("generate the package: %w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	if err != nil {
		return nil, err
	}
	var response pulumirpc.GeneratePackageResponse
	return &response, proto.Unmarshal(told, &response)
}

// Link adds generated packages to what the program requires, and says how to import them.
func (host *languageHost) Link(
	ctx context.Context, request *pulumirpc.LinkRequest,
) (*pulumirpc.LinkResponse, error) {
	tools, err := resolve(request.GetInfo())
	if err != nil {
		return nil, err
	}
	paths := map[string]string{}
	var imports strings.Builder
	for _, dependency := range request.GetPackages() {
		name, err := importName(filepath.Join(request.GetInfo().GetProgramDirectory(), dependency.GetPath()))
		if err != nil {
			return nil, err
		}
		paths[name] = dependency.GetPath()
		fmt.Fprintf(&imports, "  import %s\n", name)
	}
	if err := tools.LinkPackages(ctx, paths); err != nil {
		return nil, err
	}
	return &pulumirpc.LinkResponse{
		ImportInstructions: "The program can now import the package:\n\n" + imports.String(),
	}, nil
}

// importName finds what a generated package is called: it holds one Python package.
func importName(directory string) (string, error) {
	modules, err := filepath.Glob(filepath.Join(directory, "*", "__init__.py"))
	if err != nil {
		return "", err
	}
	if len(modules) != 1 {
		return "", fmt.Errorf("%s holds %d Python packages, not one", directory, len(modules))
	}
	return filepath.Base(filepath.Dir(modules[0])), nil
}
