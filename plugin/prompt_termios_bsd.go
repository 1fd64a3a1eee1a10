//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package plugin

import "golang.org/x/sys/unix"

const readTermios, writeTermios = unix.TIOCGETA, unix.TIOCSETA
