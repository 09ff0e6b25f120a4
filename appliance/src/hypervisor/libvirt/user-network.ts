import { readFile } from 'node:fs/promises'
import { AppError } from '../../errors/app-error.ts'
import { run } from './run.ts'

/** The host's loopback as a guest behind SLIRP dials it. Source: QEMU docs, "Using the user mode network stack". */
export const slirpHost = '10.0.2.2'

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

async function readFacts(): Promise<UserNetworkFacts> {
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

/** The IPv4 gateway of `/proc/net/route`: the address under which passt shows the host. Undefined without a default route. */
export function gatewayIn(routes: string): string | undefined {
  for (const line of routes.split('\n').slice(1)) {
    const [, destination, gateway = ''] = line.split('\t')
    // little-endian hex
    if (destination === '00000000' && /^[0-9A-F]{8}$/.test(gateway))
      return [...Buffer.from(gateway, 'hex')].toReversed().join('.')
  }
  return undefined
}

/** User networking of this host and where its guests dial the host. Throws `tool-missing` where there is none. */
export async function findUserNetwork(): Promise<{ kind: 'slirp' | 'passt'; hostAddress: string }> {
  const kind = chooseUserNetwork(await readFacts())
  if (kind === 'slirp') return { kind, hostAddress: slirpHost }
  const gateway = gatewayIn(await readFile('/proc/net/route', 'utf8'))
  if (kind === 'passt' && gateway !== undefined) return { kind, hostAddress: gateway }
  throw new AppError({
    code: 'tool-missing',
    detail: 'QEMU was built without user networking, and passt is not usable here.',
    hint: 'Install a QEMU with SLIRP, or passt beside libvirt 10 or later.',
  })
}
