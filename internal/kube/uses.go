package kube

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Use is how the Pods of a workload use one Secret.
type Use struct {
	// Env: environment variables are made of it, which stay as they are until the
	// Pod is started anew.
	Env bool
	// Started: containers see it, so that a restart shows them a new content. It is
	// false where only the kubelet or a volume driver reads it (image pulls, mounts),
	// which happens anew at each Pod.
	Started bool
	// All: every key is used. Otherwise Keys are the names of those that are, sorted.
	All  bool
	Keys []string
}

// uses collects the Secrets that one Pod uses.
type uses map[string]*use

type use struct {
	Use
	keys map[string]bool
}

// UsesOf maps the names of the Secrets that a Pod uses to how: volumes, projected
// volumes, environment of containers and init containers, image pulls and what
// volume drivers log in with.
func UsesOf(pod *corev1.PodSpec) map[string]Use {
	found := uses{}
	for i := range pod.Volumes {
		found.volume(&pod.Volumes[i])
	}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, from := range c.EnvFrom {
			if from.SecretRef != nil {
				found.whole(from.SecretRef.Name).Env = true
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				ref := e.ValueFrom.SecretKeyRef
				found.some(ref.Name, ref.Key).Env = true
			}
		}
	}
	for _, pull := range pod.ImagePullSecrets {
		found.elsewhere(pull.Name)
	}
	all := make(map[string]Use, len(found))
	for name, u := range found {
		if !u.All {
			u.Keys = slices.Sorted(maps.Keys(u.keys))
		}
		all[name] = u.Use
	}
	return all
}

func (u uses) of(name string) *use {
	if u[name] == nil {
		u[name] = &use{keys: map[string]bool{}}
	}
	return u[name]
}

// whole notes that containers see every key.
func (u uses) whole(name string) *use {
	is := u.of(name)
	is.Started, is.All = true, true
	return is
}

// some notes that containers see these keys.
func (u uses) some(name string, keys ...string) *use {
	is := u.of(name)
	is.Started = true
	for _, key := range keys {
		is.keys[key] = true
	}
	return is
}

// elsewhere notes that no container sees it.
func (u uses) elsewhere(name string) {
	if name != "" {
		u.of(name)
	}
}

func (u uses) volume(v *corev1.Volume) {
	if v.Secret != nil {
		u.items(v.Secret.SecretName, v.Secret.Items)
	}
	if v.Projected != nil {
		for _, s := range v.Projected.Sources {
			if s.Secret != nil {
				u.items(s.Secret.Name, s.Secret.Items)
			}
		}
	}
	local := func(ref *corev1.LocalObjectReference) {
		if ref != nil {
			u.elsewhere(ref.Name)
		}
	}
	switch {
	case v.CSI != nil:
		local(v.CSI.NodePublishSecretRef)
	case v.FlexVolume != nil:
		local(v.FlexVolume.SecretRef)
	case v.CephFS != nil:
		local(v.CephFS.SecretRef)
	case v.RBD != nil:
		local(v.RBD.SecretRef)
	case v.ISCSI != nil:
		local(v.ISCSI.SecretRef)
	case v.Cinder != nil:
		local(v.Cinder.SecretRef)
	case v.ScaleIO != nil:
		local(v.ScaleIO.SecretRef)
	case v.StorageOS != nil:
		local(v.StorageOS.SecretRef)
	case v.AzureFile != nil:
		u.elsewhere(v.AzureFile.SecretName)
	}
}

func (u uses) items(name string, items []corev1.KeyToPath) {
	if len(items) == 0 {
		u.whole(name)
		return
	}
	for _, item := range items {
		u.some(name, item.Key)
	}
}
