//go:build unix

package plugin

import (
	"os"

	"golang.org/x/sys/unix"
)

// echoOff lets a terminal take lines, and signals, without showing them.
func echoOff(tty *os.File) error {
	mode, err := unix.IoctlGetTermios(int(tty.Fd()), readTermios)
	if err != nil {
		return err
	}
	mode.Lflag &^= unix.ECHO | unix.ECHONL
	mode.Lflag |= unix.ICANON | unix.ISIG
	mode.Iflag |= unix.ICRNL
	return unix.IoctlSetTermios(int(tty.Fd()), writeTermios, mode)
}
