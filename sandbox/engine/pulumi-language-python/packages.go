// How does a Python program get the package of a component that is written in any language?
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// GeneratePackage writes the package that a program imports, by upstream's generator.
func (host *languageHost) GeneratePackage(
	_ context.Context, request *pulumirpc.GeneratePackageRequest,
) (*pulumirpc.GeneratePackageResponse, error) {
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
