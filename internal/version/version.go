// Package version holds the version that a build was given.
package version

// Version is set by the linker (-X); "dev" in a plain go build.
var Version = "dev"

// UserAgent names a program of this project and its version, as Kubernetes' and
// Vault's logs show it.
func UserAgent(program string) string { return program + "/" + Version }
