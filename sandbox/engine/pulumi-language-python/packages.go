// Generate and link the packages that let Python programs use components in any language.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// GeneratePackage writes the package that a program imports. It runs generate-python-package to do so.
func (host *languageHost) GeneratePackage(
	ctx context.Context, request *pulumirpc.GeneratePackageRequest,
) (*pulumirpc.GeneratePackageResponse, error) {
	generator, err := siblingPath("generate-python-package")
	if err != nil {
		return nil, err
	}
	generate := exec.CommandContext(ctx, generator, request.GetDirectory(), request.GetLoaderTarget())
	generate.Stdin = strings.NewReader(request.GetSchema())
	if output, err := generate.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("generate the package: %w: %s", err, bytes.TrimSpace(output))
	}
	return &pulumirpc.GeneratePackageResponse{}, nil
}

// Link adds generated packages to the program's requirements, and returns instructions for importing them.
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

// importName returns the name of the only Python package in a generated package's directory.
func importName(directory string) (string, error) {
	modules, err := filepath.Glob(filepath.Join(directory, "*", "__init__.py"))
	if err != nil {
		return "", err
	}
	if len(modules) != 1 {
		return "", fmt.Errorf("%s contains %d Python packages, expected one", directory, len(modules))
	}
	return filepath.Base(filepath.Dir(modules[0])), nil
}
