package proof

import (
	"bytes"
	"debug/macho"
	"encoding/binary"
	"fmt"
)

// Load commands of Mach-O files. Source: mach-o/loader.h of macOS's SDK.
const (
	loadSegment64     = 0x19 // LC_SEGMENT_64
	loadCodeSignature = 0x1d // LC_CODE_SIGNATURE
)

// StripSignature returns a copy of a 64-bit Mach-O file without its code
// signature: the load command is taken out, the signature at the end of the
// file cut off, and the size of the segment __LINKEDIT, which covers the
// signature, set to zero, as is the padding that may stand before a signature.
// Files that differ only in their signatures become equal; nothing else does.
func StripSignature(data []byte) ([]byte, error) {
	f, err := macho.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if f.Magic != macho.Magic64 || f.ByteOrder != binary.LittleEndian {
		return nil, fmt.Errorf("not a 64-bit little-endian Mach-O file")
	}
	data = bytes.Clone(data)
	le := binary.LittleEndian
	const header = 32
	end := header + int(f.Cmdsz)
	off, last := header, 0
	var sig []byte // the load command
	for range f.Ncmd {
		cmd, size := le.Uint32(data[off:]), int(le.Uint32(data[off+4:]))
		switch cmd {
		case loadCodeSignature:
			sig, last = data[off:off+size], off+size
		case loadSegment64:
			if string(bytes.TrimRight(data[off+8:off+24], "\x00")) == "__LINKEDIT" {
				clear(data[off+32 : off+40]) // vmsize
				clear(data[off+48 : off+56]) // filesize
			}
		}
		off += size
	}
	if sig != nil {
		if last != end {
			return nil, fmt.Errorf("the code signature is not the last of its load commands")
		}
		start, size := int(le.Uint32(sig[8:])), int(le.Uint32(sig[12:]))
		if start+size != len(data) {
			return nil, fmt.Errorf("the code signature, %d bytes at %d, is not the end of a file of %d bytes", size, start, len(data))
		}
		le.PutUint32(data[16:], f.Ncmd-1)
		le.PutUint32(data[20:], f.Cmdsz-uint32(len(sig)))
		clear(sig)
		data = data[:start]
	}
	return bytes.TrimRight(data, "\x00"), nil
}
