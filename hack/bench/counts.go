package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// counts are requests by kind.
type counts map[string]int

func (c counts) kinds() []string { return slices.Sorted(maps.Keys(c)) }

// logFile reads the JSON lines that were added to a file since it last looked.
type logFile struct {
	path   string
	offset int64
}

func (f *logFile) each(line func([]byte)) error {
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Seek(f.offset, io.SeekStart); err != nil {
		return err
	}
	for reader := bufio.NewReaderSize(file, 1<<20); ; {
		raw, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // a line without its end is read next time
		}
		if err != nil {
			return err
		}
		f.offset += int64(len(raw))
		line(raw)
	}
}

// requests counts what the controller asked of Vault and of the API server.
type requests struct {
	vault, kubernetes logFile
	user              string
}

// settle is how long the logs are given to hold the last request.
const settle = 300 * time.Millisecond

// since counts what was asked since the last call.
func (r *requests) since() (vault, kubernetes counts, err error) {
	time.Sleep(settle)
	vault, kubernetes = counts{}, counts{}
	err = errors.Join(r.vault.each(func(raw []byte) {
		var line struct {
			Type string
			Auth struct {
				DisplayName string `json:"display_name"`
			}
			Request struct{ Path, Operation string }
		}
		if json.Unmarshal(raw, &line) == nil && line.Type == "request" && line.Auth.DisplayName != "root" {
			vault[vaultKind(line.Request.Operation, line.Request.Path)]++
		}
	}), r.kubernetes.each(func(raw []byte) {
		var line struct {
			Stage, Verb string
			User        struct{ Username string }
			ObjectRef   struct{ Resource, Subresource string }
		}
		// A watch is counted when it begins: it may never be complete.
		if json.Unmarshal(raw, &line) != nil || line.User.Username != r.user {
			return
		}
		if began := line.Stage == "ResponseStarted"; began == (line.Verb == "watch") && (began || line.Stage == "ResponseComplete") {
			kubernetes[strings.TrimSuffix(line.Verb+" "+line.ObjectRef.Resource+"/"+line.ObjectRef.Subresource, "/")]++
		}
	}))
	return vault, kubernetes, err
}

// vaultKind is "read" for a secret's data, else what the path is for.
func vaultKind(operation, path string) string {
	switch {
	case strings.HasPrefix(path, mount+"/data/"):
		return operation + " data"
	case strings.HasPrefix(path, mount+"/"), strings.HasPrefix(path, "sys/internal/ui/mounts"):
		return operation + " metadata"
	case strings.HasSuffix(path, "/login"):
		return "login"
	case strings.HasPrefix(path, "auth/token/"):
		return strings.TrimPrefix(path, "auth/token/")
	}
	return operation + " " + path
}
