package system

import (
	"fmt"
	"os"
	"path/filepath"
)

// FindKernel returns the path of the arm64 kernel that scripts/setup-linux.sh
// keeps in the cache directory, as kernel/arm64/<name of the Debian package,
// version and architecture>/vmlinuz. If there are several, it is the one that
// came last.
func FindKernel(cache string) (string, error) {
	pattern := filepath.Join(cache, "kernel", "arm64", "*", "vmlinuz")
	files, err := filepath.Glob(pattern)
	if err != nil {
		return "", fmt.Errorf("cache directory %q: %v", cache, err)
	}
	newest := ""
	var latest os.FileInfo
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return "", err
		}
		if latest == nil || info.ModTime().After(latest.ModTime()) {
			newest, latest = file, info
		}
	}
	if newest == "" {
		return "", fmt.Errorf("no file %s: the kernel of the virtual machine", pattern)
	}
	return newest, nil
}
