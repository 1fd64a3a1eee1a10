//go:build unix && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package plugin

import "golang.org/x/sys/unix"

const readTermios, writeTermios = unix.TCGETS, unix.TCSETS
