package main

import (
	"strings"
	"syscall"
)

// personCases: who gives the shares, and from where.
func personCases() []matrixCase {
	person := func(n int) func(*bench) result {
		return func(b *bench) result {
			b.sealed()
			var last result
			for i := range n {
				t := b.terminal("unseal")
				t.answer(i, b.shares[i])
				if i < 2 {
					t.answer(i+1, "")
				}
				last = t.end()
			}
			return last
		}
	}
	return []matrixCase{
		{name: "several people: the first", done: "types her share, then an empty line", run: person(1), says: `^✗ vault-0: sealed, 1 of 3 shares given`, code: 2, left: "sealed, 1 of 3"},
		{name: "several people: the second", done: "the same command on another machine", run: person(2), says: `^✗ vault-0: sealed, 2 of 3 shares given \(nonce .*\) \(seal`, code: 2, left: "sealed, 2 of 3"},
		{name: "several people: the third", done: "types the last share", run: person(3), says: unsealed, left: "open"},
		{
			name: "Ctrl-C between shares", done: "one share, then Ctrl-C at the prompt", says: "^interrupted. State now:", code: 130, left: "sealed, 1 of 3",
			run: func(b *bench) result { return b.interrupted(func(t *terminal) { t.keys("\x03") }) },
		},
		{
			name: "SIGTERM between shares", done: "one share, then the process is ended", says: "^interrupted. State now:", code: 143, left: "sealed, 1 of 3",
			run: func(b *bench) result {
				return b.interrupted(func(t *terminal) { b.must(t.cmd.Process.Signal(syscall.SIGTERM)) })
			},
		},
		{
			name: "end of input", done: "Ctrl-D at the first prompt", says: "^Whoever has the next share goes on with", code: 2, left: "sealed, 0 of 3",
			run: func(b *bench) result {
				b.sealed()
				t := b.terminal("unseal")
				t.await("Key share 1 of 3")
				t.keys("\x04")
				return t.end()
			},
		},
		{
			name: "unsealed already", done: "`unseal`", says: "^Every server is unsealed; nothing to do", left: "open",
			run: func(b *bench) result { b.sealed(); b.open(0); return b.plugin("unseal") },
		},
		{
			name: "not initialized", done: "`unseal`", says: "^error: this Vault is not initialized", code: 1, left: "not initialized",
			run: func(b *bench) result { b.servers(1, alone()); return b.plugin("unseal") },
		},
		{
			name: "`--status`", done: "one share was given", says: `^vault-0 +sealed, 1 of 3`, code: 2, left: "sealed, 1 of 3",
			run: func(b *bench) result {
				b.sealed()
				b.give(0, b.shares[0])
				return b.plugin("unseal", "--status")
			},
		},
		{
			name: "`--status -o json`", done: "the server is open", says: `"kind": "SealStatusList"`, left: "open",
			run: func(b *bench) result {
				b.sealed()
				b.open(0)
				return b.plugin("unseal", "--status", "-o", "json")
			},
		},
		{
			name: "`--reset`", done: "one share was given", says: "dropped; they must be given again", code: 2, left: "sealed, 0 of 3",
			run: func(b *bench) result {
				b.sealed()
				b.give(0, b.shares[0])
				return b.plugin("unseal", "--reset")
			},
		},
		{
			name: "no terminal", done: "`unseal` in a pipeline", says: "^error: the key shares are asked for on a terminal", code: 1, left: "sealed, 0 of 3",
			run: func(b *bench) result {
				b.sealed()
				return b.pluginWith(strings.NewReader(b.shares[0]), "unseal")
			},
		},
		{
			name: "`--non-interactive`", done: "`unseal --non-interactive` on a terminal", says: "^error: the key shares are asked for on a terminal", code: 1, left: "sealed, 0 of 3",
			run: func(b *bench) result { b.sealed(); return b.terminal("unseal", "--non-interactive").end() },
		},
		{
			name: "stdin closed", done: "`unseal --key-file - <&-`", says: "^error: (reading the shares|no share)", code: 1, left: "sealed, 0 of 3",
			run: func(b *bench) result {
				b.sealed()
				return b.shell(`exec "$0" unseal --key-file - <&-`)
			},
		},
		{
			name: "no such key file", done: "`unseal --key-file nowhere`", says: "^error: reading the shares", code: 1, left: "sealed, 0 of 3",
			run: func(b *bench) result { b.sealed(); return b.plugin("unseal", "--key-file", "nowhere") },
		},
		{
			name: "empty key file", done: "`unseal --key-file empty`", says: "^error: no share in the file", code: 1, left: "sealed, 0 of 3",
			run: func(b *bench) result {
				b.sealed()
				return b.plugin("unseal", "--key-file", b.file("empty"))
			},
		},
	}
}

func (b *bench) interrupted(how func(*terminal)) result {
	b.Helper()
	b.sealed()
	t := b.terminal("unseal")
	t.answer(0, b.shares[0])
	t.await("Key share 2 of 3")
	how(t)
	return t.end()
}
