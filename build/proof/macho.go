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
// file cut off, and its size subtracted from that of the segment __LINKEDIT,
// which covers it. Files that differ only in their signatures become equal;
// nothing else does. A file without a signature is returned as it is.
//
// The linker ends a file at a multiple of 16, where a signature may begin. So there
// is no padding between the content and the signature.
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
	var sig, linkedit []byte // the load commands
	for range f.Ncmd {
		cmd, size := le.Uint32(data[off:]), int(le.Uint32(data[off+4:]))
		switch cmd {
		case loadCodeSignature:
			if sig != nil || size != 16 {
				return nil, fmt.Errorf("want one code signature, with a load command of 16 bytes")
			}
			sig, last = data[off:off+size], off+size
		case loadSegment64:
			if string(bytes.TrimRight(data[off+8:off+24], "\x00")) == "__LINKEDIT" {
				linkedit = data[off : off+size]
			}
		}
		off += size
	}
	if sig == nil {
		return data, nil
	}
	if last != end {
		return nil, fmt.Errorf("the code signature is not the last of its load commands")
	}
	start, size := uint64(le.Uint32(sig[8:])), uint64(le.Uint32(sig[12:]))
	if start+size != uint64(len(data)) {
		return nil, fmt.Errorf("the code signature, %d bytes at %d, is not the end of a file of %d bytes", size, start, len(data))
	}
	if linkedit == nil {
		return nil, fmt.Errorf("there is no segment __LINKEDIT to hold the code signature")
	}
	vmsize, fileoff, filesize := le.Uint64(linkedit[32:]), le.Uint64(linkedit[40:]), le.Uint64(linkedit[48:])
	if fileoff > start || fileoff+filesize != start+size {
		return nil, fmt.Errorf("the segment __LINKEDIT, %d bytes at %d, does not end with the code signature, %d bytes at %d", filesize, fileoff, size, start)
	}
	le.PutUint64(linkedit[48:], filesize-size)
	// Go's linker sets the size in memory to the size in the file. Apple's codesign
	// rounds it up to pages of 4 or 16 KB. Neither makes another size: that stays,
	// so that it shows.
	for _, page := range []uint64{1, 4 << 10, 16 << 10} {
		if vmsize == (filesize+page-1)/page*page {
			le.PutUint64(linkedit[32:], filesize-size)
			break
		}
	}
	le.PutUint32(data[16:], f.Ncmd-1)
	le.PutUint32(data[20:], f.Cmdsz-uint32(len(sig)))
	clear(sig)
	return data[:start], nil
}
