import { once } from 'node:events'
import { installedLibvirt, startLibvirtd } from './libvirtd.ts'

// freehold-libvirtd.service of an installed host: runs as the VM user, so libvirtd is in session mode and never root
if (process.getuid?.() === 0) throw new Error('libvirtd as root is not session mode')
await startLibvirtd(installedLibvirt)
// libvirtd and its guests outlive this process; the next start finds them running
const alive = setInterval(() => undefined, 2 ** 30)
await once(process, 'SIGTERM')
clearInterval(alive)
