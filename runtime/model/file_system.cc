#include <algorithm>
#include <cstdint>

#include "runtime/model/file_bytes.hpp"

namespace troupe {

bool is_shared_file_system(std::uint64_t type) {
  // statfs(2), the kernel's magic.h, and those of file systems that are not part of it.
  static constexpr std::uint32_t kinds[] = {
      0x6969,                              // NFS
      0x517B,     0xFF534D42, 0xFE534D42,  // SMB, CIFS, SMB2
      0x65735546,                          // FUSE (sshfs, GlusterFS, s3fs, virtiofs ...)
      0x01021997,                          // 9p
      0x5346414F, 0x6B414653, 0x73757245,  // OpenAFS, the kernel's AFS, Coda
      0x00C36400,                          // Ceph
      0x0BD00BD0,                          // Lustre
      0x01161970, 0x7461636F,              // GFS2, OCFS2
      0x47504653,                          // GPFS
      0x19830326,                          // BeeGFS
      0xAAD7AAEA,                          // PanFS
      0x20030528,                          // OrangeFS
      0x564C,                              // NCP
      0x786F4256, 0xBACBACBC, 0x7C7C6673,  // folders that VirtualBox, VMware and Parallels share with a guest
  };
  // f_type is signed, and as wide as a long: a number above 2^31 may come with its sign spread.
  return std::find(std::begin(kinds), std::end(kinds), static_cast<std::uint32_t>(type)) != std::end(kinds);
}

}  // namespace troupe
