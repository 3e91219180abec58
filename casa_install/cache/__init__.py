"""XRootD caches: how large their buffers are, and which settings, versions and disks can work."""
