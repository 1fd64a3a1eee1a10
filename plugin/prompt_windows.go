package plugin

import (
	"os"

	"golang.org/x/sys/windows"
)

// echoOff lets a console take lines, and Ctrl-C, without showing them.
func echoOff(console *os.File) error {
	handle := windows.Handle(console.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(handle, &mode); err != nil {
		return err
	}
	mode &^= windows.ENABLE_ECHO_INPUT
	return windows.SetConsoleMode(handle, mode|windows.ENABLE_LINE_INPUT|windows.ENABLE_PROCESSED_INPUT)
}
