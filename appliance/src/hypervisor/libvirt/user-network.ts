import { run } from './run.ts'

/** What the host offers for user networking. */
export interface UserNetworkFacts {
  /** QEMU was built with SLIRP (`-netdev help` names `user`). */
  slirp: boolean
  /** passt is installed. */
  passt: boolean
  /** As `virsh version --daemon` has it, `10.0.0`. */
  libvirt: string
}

/**
 * SLIRP wherever QEMU has it: it works alike on Debian 12 and 13 and the host is always 10.0.2.2. passt only where QEMU comes
 * without SLIRP; libvirt knows it since 10.0 (9.0 refuses it). Undefined: neither is there.
 */
export function chooseUserNetwork(facts: UserNetworkFacts): 'slirp' | 'passt' | undefined {
  if (facts.slirp) return 'slirp'
  return facts.passt && Number(facts.libvirt.split('.')[0]) >= 10 ? 'passt' : undefined
}

export async function readUserNetworkFacts(): Promise<UserNetworkFacts> {
  const works = (program: string, args: string[]) => run(program, args).catch(() => undefined)
  const [netdev, passt, libvirt] = await Promise.all([
    works('qemu-system-x86_64', ['-netdev', 'help']),
    works('passt', ['--version']),
    works('virsh', ['--version']),
  ])
  return {
    slirp: /^user$/m.test(netdev?.stdout ?? ''),
    passt: passt?.code === 0,
    libvirt: libvirt?.stdout.trim() ?? '',
  }
}
