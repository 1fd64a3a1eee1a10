package main

import (
	"strings"

	"github.com/hashicorp/vault/api"
)

// unsealed is the last line of a run that went well.
const unsealed = `^✔ Vault is unsealed\.$`

// keyFile runs unseal with shares from a file.
func (b *bench) keyFile(shares ...string) result {
	b.Helper()
	return b.plugin("unseal", "--key-file", b.file("shares", shares...))
}

// shareCases: one sealed server, and what its shares are.
func shareCases() []matrixCase {
	return []matrixCase{
		{
			name: "enough shares", done: "three of five, threshold 3, `--key-file`", says: unsealed, left: "open",
			run: func(b *bench) result { b.sealed(); return b.keyFile(b.shares[:3]...) },
		},
		{
			name: "threshold 1", done: "the only share, `--key-file -`", says: unsealed, left: "open",
			run: func(b *bench) result {
				b.initialized(1, 1, 1)
				return b.pluginWith(strings.NewReader(b.shares[0]), "unseal", "--key-file", "-")
			},
		},
		{
			name: "wrong share at the threshold", done: "two right shares, then one that is made up", says: "^error: vault-0: the shares do not open", code: 1, left: "sealed, 0 of 3",
			run: func(b *bench) result {
				b.sealed()
				return b.keyFile(b.shares[0], b.shares[1], strings.Repeat("5e", 33))
			},
		},
		{
			name: "share of another Vault", done: "two right shares, then one of another cluster", says: "^error: vault-0: the shares do not open", code: 1, left: "sealed, 0 of 3",
			run: func(b *bench) result {
				b.initialized(1, 5, 3)
				foreign := b.shares[2]
				b.sealed()
				return b.keyFile(b.shares[0], b.shares[1], foreign)
			},
		},
		{
			name: "duplicate share", done: "the same share twice, then another", says: "^vault-0: this share was given before", code: 2, left: "sealed, 2 of 3",
			run: func(b *bench) result {
				b.sealed()
				return b.keyFile(b.shares[0], b.shares[0], b.shares[1])
			},
		},
		{
			name: "no share at all", done: "a line of prose, then a share", says: "^vault-0: this is no share", code: 2, left: "sealed, 1 of 3",
			run: func(b *bench) result { b.sealed(); return b.keyFile("hello, Vault", b.shares[0]) },
		},
		{
			name: "reset midway", done: "after the first share somebody runs `vault operator unseal -reset`", says: "^error: vault-0: the unseal progress was reset", code: 1, left: "sealed, 0 of 3",
			run: func(b *bench) result {
				return b.midway(func() {
					_, err := b.vault(0).Sys().ResetUnsealProcessWithContext(b.Context())
					b.must(err)
				})
			},
		},
		{
			name: "reset midway, and begun again", done: "after the first share somebody resets and gives a share of theirs: the nonce changes", says: "^error: vault-0: the unseal progress was reset", code: 1, left: "sealed, 1 of 3",
			run: func(b *bench) result {
				return b.midway(func() {
					_, err := b.vault(0).Sys().UnsealWithOptionsWithContext(b.Context(), &api.UnsealOpts{Reset: true})
					b.must(err)
					b.give(0, b.shares[4])
				})
			},
		},
		{
			name: "restart midway", done: "after the first share the Pod restarts", says: "^error: vault-0: the unseal progress was reset", code: 1, left: "sealed, 0 of 3",
			run: func(b *bench) result { return b.midway(func() { b.restart(0) }) },
		},
		{
			name: "answer lost, midway", done: "the port-forward breaks as the first share is answered, and works again", says: "^vault-0: no answer; looking at what became of the share", code: 2, left: "sealed, 1 of 3",
			run: func(b *bench) result {
				b.sealed()
				b.throughCable(&cable{broken: func() bool { return b.progress() == 1 }})
				return b.keyFile(b.shares[0])
			},
		},
		{
			name: "answer lost, last share", done: "the port-forward breaks as the last share is answered, and works again", says: unsealed, left: "open",
			run: func(b *bench) result {
				b.sealed()
				b.throughCable(&cable{broken: func() bool { return b.left() == "open" }})
				return b.keyFile(b.shares[:3]...)
			},
		},
		{
			name: "connection lost, last share", done: "the port-forward breaks as the last share is answered, for good", says: "^error: a share was sent, and what became of it is not known: vault-0", code: 1, left: "open",
			run: func(b *bench) result {
				b.sealed()
				b.throughCable(&cable{forGood: true, broken: func() bool { return b.left() == "open" }})
				return b.plugin("unseal", "--timeout=1s", "--key-file", b.file("shares", b.shares[:3]...))
			},
		},
		{
			name: "encrypted shares", done: "`--key-file` with the file that `init --pgp-keys` wrote", says: "^error: the shares in the file are encrypted", code: 1, left: "sealed, 0 of 2",
			run: func(b *bench) result {
				b.initializedForPeople()
				return b.plugin("unseal", "--key-file", "init.json")
			},
		},
		{
			name: "a share that was encrypted", done: "two holders decrypt theirs and give it by `--key-file -`", says: unsealed, left: "open",
			run: func(b *bench) result {
				people := b.initializedForPeople()
				b.pluginWith(strings.NewReader(b.decrypted(people[2], 2)), "unseal", "--key-file", "-")
				return b.pluginWith(strings.NewReader(b.decrypted(people[0], 0)), "unseal", "--key-file", "-")
			},
		},
	}
}

// midway gives one share at the prompt, has something happen, and gives the next.
func (b *bench) midway(happens func()) result {
	b.Helper()
	b.sealed()
	t := b.terminal("unseal")
	t.answer(0, b.shares[0])
	t.await("Key share 2 of 3")
	happens()
	t.keys(b.shares[1] + "\n")
	return t.end()
}

// progress is server 0's.
func (b *bench) progress() int {
	status, err := b.vault(0).Sys().SealStatusWithContext(b.Context())
	b.must(err)
	return status.Progress
}
