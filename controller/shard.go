package controller

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// shard is one of n parts of the cluster, by a hash of the namespace. The zero value
// is the whole.
type shard struct{ index, count int }

// parseShard reads "i/n" with 0 ≤ i < n.
func parseShard(text string) (shard, error) {
	if text == "" {
		return shard{}, nil
	}
	i, n, _ := strings.Cut(text, "/")
	index, errI := strconv.Atoi(i)
	count, errN := strconv.Atoi(n)
	if errI != nil || errN != nil || index < 0 || index >= count {
		return shard{}, fmt.Errorf("--shard=%s: want i/n with 0 <= i < n, for example 0/3", text)
	}
	return shard{index, count}, nil
}

// owns reports whether a namespace is in the part. What has no namespace is in the
// first part.
func (s shard) owns(namespace string) bool {
	if s.count <= 1 {
		return true
	}
	if namespace == "" {
		return s.index == 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(namespace))
	return int(h.Sum32()%uint32(s.count)) == s.index
}
