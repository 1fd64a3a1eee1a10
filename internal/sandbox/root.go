package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Root is the directory of this repository: above the running program (bin/sandbox),
// above the working directory, or above this source file.
func Root() (string, error) {
	var starts []string
	if program, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(program))
	}
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		starts = append(starts, filepath.Dir(file))
	}
	for _, dir := range starts {
		for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, "hack", "kubernetes", "go.mod")); err == nil {
				return dir, nil
			}
		}
	}
	return "", errors.New("not inside the repository: there is no hack/kubernetes/go.mod above the program, the working directory or the source")
}

// lock waits for the exclusive lock on a file. It goes when the process does.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}
