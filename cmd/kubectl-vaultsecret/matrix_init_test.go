package main

import (
	"os"
	"path/filepath"
	"strings"
)

// initialize runs init on one server that nobody has spoken to.
func initialize(args ...string) func(*bench) result {
	return func(b *bench) result { b.servers(1, alone()); return b.plugin(append([]string{"init"}, args...)...) }
}

// initCases: the one chance to keep the keys.
func initCases() []matrixCase {
	const none = "not initialized"
	return []matrixCase{
		{
			name: "init", done: "`init --output-file init.json`", says: "^✔ vault-0 is initialized: 5 key shares, 3 of them unseal", left: "sealed, 0 of 3",
			run: func(b *bench) result {
				got := initialize("--output-file=init.json")(b)
				b.keptFor(0o600)
				b.shares = append(b.document("init.json").Keys, b.document("init.json").Root)
				return got
			},
		},
		{
			name: "init on a terminal, no file", done: "`init`", says: "^Key share 5: …", left: "sealed, 0 of 3",
			run: func(b *bench) result {
				b.servers(1, alone())
				got := b.terminal("init").end()
				got.text = strings.Join(hideKeys(strings.Split(got.text, "\n")), "\n")
				return got
			},
		},
		{name: "init, no file and no terminal", done: "`init` in a pipeline", says: "^error: the shares would go to standard output", code: 1, left: none, run: initialize()},
		{
			name: "init `--unseal --join`", done: "three raft servers that nobody has spoken to, without `retry_join`", says: unsealed, left: "open / open / open",
			run: func(b *bench) result {
				b.servers(3, alone())
				return b.plugin("init", "--output-file=init.json", "--unseal", "--join")
			},
		},
		{
			name: "init `--dry-run`", done: "`init --output-file init.json --dry-run=client`", says: "^vault-0 would be initialized", left: none,
			run: func(b *bench) result {
				got := initialize("--output-file=init.json", "--dry-run=client")(b)
				b.noFile()
				return got
			},
		},
		{
			name: "init `--pgp-keys`", done: "three people's keys, and the root token for the first", says: "^Share 3 is encrypted to the key in third.asc", left: "sealed, 0 of 2",
			run: func(b *bench) result {
				b.servers(1, alone())
				people, files := b.people("first", "second", "third")
				got := b.plugin("init", "--key-shares=3", "--key-threshold=2", "--pgp-keys="+strings.Join(files, ","), "--root-token-pgp-key=first.asc", "--output-file=init.json")
				if token := b.decrypt(people[0], b.document("init.json").Root); !strings.HasPrefix(token, "hvs.") {
					b.Error("the root token cannot be decrypted")
				}
				return got
			},
		},
		{
			name: "init `--pgp-keys` with a private key", done: "the file holds a PRIVATE KEY BLOCK", says: "holds a private key; give the public one", code: 1, left: none,
			run: func(b *bench) result {
				b.servers(1, alone())
				return b.plugin("init", "--key-shares=1", "--key-threshold=1", "--pgp-keys", b.file("first.asc", "-----BEGIN PGP PRIVATE KEY BLOCK-----"), "--output-file=init.json")
			},
		},
		{
			name: "init `--pgp-keys` that are none", done: "a text file", says: "^error: vault-0: initializing", code: 1, left: none,
			run: func(b *bench) result {
				b.servers(1, alone())
				got := b.plugin("init", "--key-shares=1", "--key-threshold=1", "--pgp-keys", b.file("first.asc", "hello"), "--output-file=init.json")
				b.noFile()
				return got
			},
		},
		{
			name: "init of an initialized Vault", done: "vault-1 is not, vault-0 is; `init --pod vault-1`", says: "^error: vault-0: this Vault is already initialized", code: 1, left: "sealed, 0 of 3 / not initialized",
			run: func(b *bench) result {
				b.servers(2, alone())
				b.initialize(0, 5, 3)
				got := b.plugin("init", "--pod=vault-1", "--output-file=init.json")
				b.noFile()
				return got
			},
		},
		{
			name: "init, a server that cannot be asked", done: "vault-1 does not answer", says: "^error: whether vault-1 is initialized is not known", code: 1, left: "not initialized / does not answer",
			run: func(b *bench) result {
				b.servers(2, alone())
				b.sb.StopVault(1)
				got := b.plugin("init", "--output-file=init.json")
				b.noFile()
				return got
			},
		},
		{
			name: "init, the file exists", done: "`--output-file` names a file", says: "^error: init.json exists and is not overwritten", code: 1, left: none,
			run: func(b *bench) result {
				b.servers(1, alone())
				return b.plugin("init", "--output-file", b.file("init.json", "kept"))
			},
		},
		{name: "init, no such directory", done: "`--output-file nowhere/init.json`", says: "^error: creating the output file", code: 1, left: none, run: initialize("--output-file=nowhere/init.json")},
		{name: "init, a directory that cannot be written", done: "`--output-file /sys/init.json`", says: "^error: creating the output file", code: 1, left: none, run: initialize("--output-file=/sys/init.json")},
		{
			name: "init, the answer is lost", done: "the port-forward breaks as init is answered, and works again", says: "^error: vault-0: the answer with the keys did not arrive: it IS initialized now", code: 1, left: "sealed, 0 of 3",
			run: func(b *bench) result {
				b.servers(1, alone())
				b.throughCable(&cable{broken: func() bool { return b.left() != none }})
				got := b.plugin("init", "--output-file=init.json")
				b.noFile()
				return got
			},
		},
		{
			name: "init, the connection is lost", done: "the same, for good", says: "whether it is initialized now is not known", code: 1, left: "sealed, 0 of 3",
			run: func(b *bench) result {
				b.servers(1, alone())
				b.throughCable(&cable{forGood: true, broken: func() bool { return b.left() != none }})
				return b.plugin("init", "--output-file=init.json")
			},
		},
	}
}

func (b *bench) keptFor(mode os.FileMode) {
	b.Helper()
	info, err := os.Stat(filepath.Join(b.dir, "init.json"))
	b.must(err)
	if info.Mode().Perm() != mode {
		b.Errorf("the file's mode is %o, want %o", info.Mode().Perm(), mode)
	}
}

// noFile fails when an empty key file was left behind.
func (b *bench) noFile() {
	b.Helper()
	if _, err := os.Stat(filepath.Join(b.dir, "init.json")); !os.IsNotExist(err) {
		b.Errorf("init.json was left behind: %v", err)
	}
}

// hideKeys takes the keys, which only this case shows, out of what is kept.
func hideKeys(lines []string) []string {
	for i, line := range lines {
		if name, _, found := strings.Cut(line, ": "); found && (strings.HasPrefix(line, "Key share") || strings.HasPrefix(line, "Root token")) {
			lines[i] = name + ": …"
		}
	}
	return lines
}
