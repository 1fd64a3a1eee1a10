package main

import (
	"fmt"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// keyService makes server 1, which is no Pod of Vault's any more, a Vault whose transit
// engine opens the seal of server 0. It returns server 0's seal stanza.
func (b *bench) keyService() string {
	b.Helper()
	b.servers(1, alone())
	b.must(b.sb.StartVault(b.Context(), 1))
	b.initialize(1, 5, 3)
	b.open(1)
	client := b.vault(1)
	sandbox.Eventually(b, func() error {
		_, err := client.Logical().WriteWithContext(b.Context(), "sys/mounts/transit", map[string]any{"type": "transit"})
		return err
	})
	_, err := client.Logical().WriteWithContext(b.Context(), "transit/keys/unseal", nil)
	b.must(err)
	token := b.root
	b.Cleanup(func() { b.sb.StopVault(1) })
	b.shares, b.root = nil, ""
	return fmt.Sprintf("seal \"transit\" {\n  address = %q\n  token = %q\n  disable_renewal = \"true\"\n  key_name = \"unseal\"\n  mount_path = \"transit/\"\n  tls_ca_cert = %q\n}\n",
		b.sb.VaultAddress(1), token, b.sb.VaultCA())
}

// sealed0 starts server 0 with a seal stanza.
func (b *bench) sealedBy(seal string) {
	b.Helper()
	b.sb.ChangeVault(0, sandbox.VaultChange{Alone: true, Extra: seal})
	b.restart(0)
}

// auto is server 0 under a key service, initialized by the plugin and open.
func (b *bench) auto() (seal string) {
	b.Helper()
	seal = b.keyService()
	b.sealedBy(seal)
	if got := b.plugin("init", "--output-file=init.json", "--unseal"); got.code != 0 {
		b.Fatalf("init: %s", got.text)
	}
	b.root = b.document("init.json").Root
	return seal
}

// disabled is the stanza of a seal that is left.
func disabled(seal string) string {
	return seal[:len(seal)-2] + "  disabled = \"true\"\n}\n"
}

// sealCases: key services and migrations.
func sealCases() []matrixCase {
	return []matrixCase{
		{
			name: "init under auto-unseal", done: "`init` of a Vault whose seal a second Vault's transit engine opens", says: "^✔ vault-0 is initialized: 5 recovery key shares, 3 of them", left: "open",
			run: func(b *bench) result {
				b.sealedBy(b.keyService())
				got := b.plugin("init", "--output-file=init.json")
				sandbox.Eventually(b, func() error {
					if left := b.left(); left != "open" {
						return fmt.Errorf("%s", left)
					}
					return nil
				})
				if d := b.document("init.json"); len(d.Recovery) != 5 || len(d.Keys) != 0 {
					b.Errorf("the file has %d recovery keys and %d unseal keys", len(d.Recovery), len(d.Keys))
				}
				return got
			},
		},
		{
			name: "init `--unseal` under auto-unseal", done: "the same, and waits until it is open", says: unsealed, left: "open",
			run: func(b *bench) result {
				b.sealedBy(b.keyService())
				return b.plugin("init", "--output-file=init.json", "--unseal")
			},
		},
		{
			name: "auto-unseal, sealed", done: "`vault operator seal`, then `unseal`", says: "^error: vault-0: seal type", code: 1, left: "sealed, 0 of 3",
			run: func(b *bench) result {
				b.auto()
				b.must(b.vault(0).Sys().SealWithContext(b.Context()))
				return b.plugin("unseal")
			},
		},
		{
			name: "auto-unseal, open", done: "`unseal`", says: "^Every server is unsealed; nothing to do", left: "open",
			run: func(b *bench) result { b.auto(); return b.plugin("unseal") },
		},
		{
			name: "migration pending", done: "shamir to transit, `unseal` without `--migrate`", says: "^error: vault-0: a seal migration is pending", code: 1, left: "sealed, 0 of 3",
			run: func(b *bench) result { b.toTransit(); return b.keyFile(b.shares[:3]...) },
		},
		{
			name: "migration to a key service", done: "the same with `--migrate`", says: unsealed, left: "open",
			run: func(b *bench) result {
				b.toTransit()
				return b.plugin("unseal", "--migrate", "--key-file", b.file("shares", b.shares[:3]...))
			},
		},
		{
			name: "migration back", done: "transit to shamir, with the recovery keys of init's file and `--migrate`", says: unsealed, left: "open",
			run: func(b *bench) result {
				seal := b.auto()
				b.sealedBy(disabled(seal))
				return b.plugin("unseal", "--migrate", "--key-file=init.json")
			},
		},
		{
			name: "no migration pending", done: "`--migrate` for a shamir seal", says: "^error: no seal migration is pending", code: 1, left: "sealed, 0 of 3",
			run: func(b *bench) result {
				b.sealed()
				return b.plugin("unseal", "--migrate", "--key-file", b.file("shares", b.shares[:3]...))
			},
		},
	}
}

// toTransit is server 0 with a shamir seal that is to become the key service's.
func (b *bench) toTransit() {
	b.Helper()
	seal := b.keyService()
	b.initialize(0, 5, 3)
	b.open(0)
	b.sealedBy(seal)
}
