package main

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

func alone() sandbox.VaultChange { return sandbox.VaultChange{Alone: true} }

// raftCases: three servers of one cluster.
func raftCases() []matrixCase {
	return []matrixCase{
		{
			name: "all three sealed", done: "three shares, each asked for once", says: unsealed, left: "open / open / open",
			run: func(b *bench) result {
				b.cluster()
				for i := range 3 {
					b.restart(i)
				}
				return b.keyFile(b.shares[:3]...)
			},
		},
		{
			name: "one of three sealed", done: "three shares", says: unsealed, left: "open / open / open",
			run: func(b *bench) result { b.cluster(); b.restart(2); return b.keyFile(b.shares[:3]...) },
		},
		{
			name: "one of three, `--pod`", done: "`unseal --pod vault-1` while two are sealed", says: unsealed, left: "open / open / sealed, 0 of 3",
			run: func(b *bench) result {
				b.cluster()
				b.restart(1)
				b.restart(2)
				return b.plugin("unseal", "--pod", "vault-1", "--key-file", b.file("shares", b.shares[:3]...))
			},
		},
		{
			name: "wrong share, three sealed", done: "two right shares, then one that is made up", says: "^error: vault-0: the shares do not open", code: 1, left: "sealed, 0 of 3 / sealed, 0 of 3 / sealed, 0 of 3",
			run: func(b *bench) result {
				b.cluster()
				for i := range 3 {
					b.restart(i)
				}
				return b.keyFile(b.shares[0], b.shares[1], "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff01")
			},
		},
		{
			name: "followers with `retry_join`", done: "vault-0 is initialized, the others join once it is open", says: unsealed, left: "open / open / open",
			run: func(b *bench) result { b.initialized(3, 5, 3); return b.keyFile(b.shares[:3]...) },
		},
		{
			name: "followers without `retry_join`", done: "vault-0 is initialized, nobody told the others to join", says: "^error: vault-1, vault-2: not initialized, and does not join", code: 2, left: "open / not initialized / not initialized",
			run: func(b *bench) result {
				b.servers(3, alone())
				b.initialize(0, 5, 3)
				return b.plugin("unseal", "--timeout=2s", "--key-file", b.file("shares", b.shares[:3]...))
			},
		},
		{
			name: "`--join`", done: "the same with `--join`", says: unsealed, left: "open / open / open",
			run: func(b *bench) result {
				b.servers(3, alone())
				b.initialize(0, 5, 3)
				return b.plugin("unseal", "--join", "--key-file", b.file("shares", b.shares[:3]...))
			},
		},
		{
			name: "`--join` to a wrong address", done: "`--join=https://127.0.0.1:1`", says: "^error: vault-1: not initialized, and does not join", code: 2, left: "open / not initialized / not initialized",
			run: func(b *bench) result {
				b.servers(3, alone())
				b.initialize(0, 5, 3)
				return b.plugin("unseal", "--join=https://127.0.0.1:1", "--timeout=5s", "--key-file", b.file("shares", b.shares[:3]...))
			},
		},
		{
			name: "a Pod does not run", done: "vault-2's Pod is Pending, the others are sealed", says: "^⚠ vault-2: unknown: its Pod is Pending", code: 2, left: "open / open",
			run: func(b *bench) result {
				b.cluster()
				b.nodes = b.nodes[:2]
				b.pod("vault-2", func(p *corev1.Pod) { p.Spec.NodeName = "" })
				b.restart(0)
				b.restart(1)
				return b.keyFile(b.shares[:3]...)
			},
		},
		{
			name: "two Vaults in one namespace", done: "`unseal` without `--instance`", says: "^error: namespace vault has Pods of several Vaults: other, vault", code: 1, left: "sealed, 0 of 3 / not initialized",
			run: func(b *bench) result {
				b.servers(2, alone())
				b.initialize(0, 5, 3)
				b.label("vault-1", "app.kubernetes.io/instance", "other")
				b.Cleanup(func() { b.label("vault-1", "app.kubernetes.io/instance", "vault") })
				return b.keyFile(b.shares[:3]...)
			},
		},
		{
			name: "two Vaults, `--instance`", done: "`unseal --instance vault`", says: unsealed, left: "open / not initialized",
			run: func(b *bench) result {
				b.servers(2, alone())
				b.initialize(0, 5, 3)
				b.label("vault-1", "app.kubernetes.io/instance", "other")
				b.Cleanup(func() { b.label("vault-1", "app.kubernetes.io/instance", "vault") })
				return b.plugin("unseal", "--instance", "vault", "--key-file", b.file("shares", b.shares[:3]...))
			},
		},
	}
}

func (b *bench) label(pod, name, value string) {
	b.Helper()
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, name, value)
	_, err := b.sb.Client().CoreV1().Pods("vault").Patch(background(), pod, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	b.must(err)
}

// pod makes a Pod of Vault anew, changed, until the end of the case.
func (b *bench) pod(name string, change func(*corev1.Pod)) {
	b.Helper()
	pods := b.sb.Client().CoreV1().Pods("vault")
	was, err := pods.Get(b.Context(), name, metav1.GetOptions{})
	b.must(err)
	made := func() *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: was.Labels}, Spec: *was.Spec.DeepCopy()}
	}
	changed := made()
	change(changed)
	b.replacePod(changed)
	b.Cleanup(func() { b.replacePod(made()) })
}

func (b *bench) replacePod(pod *corev1.Pod) {
	b.Helper()
	pods := b.sb.Client().CoreV1().Pods("vault")
	b.must(pods.Delete(background(), pod.Name, metav1.DeleteOptions{}))
	sandbox.Eventually(b, func() error { // the kubelet ends it
		_, err := pods.Get(background(), pod.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("%s is still there: %w", pod.Name, err)
	})
	_, err := pods.Create(background(), pod, metav1.CreateOptions{})
	b.must(err)
	if pod.Spec.NodeName == "" {
		return
	}
	sandbox.Eventually(b, func() error {
		made, err := pods.Get(background(), pod.Name, metav1.GetOptions{})
		if err == nil && made.Status.Phase != corev1.PodRunning {
			err = fmt.Errorf("%s is %s", pod.Name, made.Status.Phase)
		}
		return err
	})
}
