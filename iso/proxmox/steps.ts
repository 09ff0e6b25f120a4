import { createHash } from 'node:crypto'
import { archiveKey, hostsWith, interfacesWith, namesItself, sources, sourcesFile, type Uplink } from './texts.ts'

/** What the steps need of the machine: each effect by name, so that a test can be a machine, too. */
export interface ProxmoxMachine {
  name(): Promise<string>
  /** Undefined while there is no address or way out. */
  uplink(): Promise<Uplink | undefined>
  read(file: string): Promise<string | undefined>
  /** Whole or not at all, and on disk when it resolves. */
  write(file: string, content: string | Uint8Array): Promise<void>
  remove(file: string): Promise<void>
  /** Throws when nobody answers. */
  fetch(url: string): Promise<Uint8Array>
  /** Standard output; throws Error with the end of what a failed program said. */
  run(program: string, ...args: string[]): Promise<string>
  succeeds(program: string, ...args: string[]): Promise<boolean>
  installed(name: string): Promise<boolean>
  /** Of the running kernel. */
  kernel(): Promise<string>
  /** Whether the firmware starts signed programs only. */
  secureBoot(): Promise<boolean>
  /** Ends this boot; never resolves on a real machine. */
  reboot(): Promise<void>
}

/** One step: is it true already, else make it so. Done twice is done once; a cut costs a repeat. */
export interface Step {
  name: string
  check(machine: ProxmoxMachine): Promise<boolean>
  run(machine: ProxmoxMachine): Promise<void>
}

/** Cannot be done now and may be later; the step waits, says so, and tries again. */
export class NotNow extends Error {}
/** Will not get better by waiting: a person has to look. */
export class NotAtAll extends Error {}

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')
const install = (machine: ProxmoxMachine, ...names: string[]) =>
  online(
    machine,
    'apt-get',
    '--yes',
    '--quiet',
    '--no-install-recommends',
    '-o',
    'Dpkg::Options::=--force-confold',
    '-o',
    'DPkg::Lock::Timeout=300',
    'install',
    ...names,
  )

/** What needs the network waits for it; a signature that is wrong does not. */
async function online(machine: ProxmoxMachine, ...[program, ...args]: [string, ...string[]]): Promise<void> {
  // what a cut left half configured
  await machine.succeeds('dpkg', '--configure', '--pending')
  try {
    await machine.run(program, ...args)
  } catch (error) {
    const said = (error as Error).message
    if (/NO_PUBKEY|BADSIG|not signed|OpenPGP signature|Hash Sum mismatch/i.test(said))
      throw new NotAtAll(`apt refuses the repository: ${said.slice(-600)}`)
    throw new NotNow(`${program} ${args.find((arg) => !arg.startsWith('-') && arg.length > 3) ?? ''}: ${said.slice(-600)}`)
  }
}

/** What the bridge replaces, kept until the way out was seen through it. */
const checkpoint = '/etc/freehold/bridge-checkpoint'
const interfaces = '/etc/network/interfaces'
const networkd = '/etc/systemd/network/50-freehold.network'

export const steps: readonly Step[] = [
  {
    // the installer refuses it, too; it may have been turned on since. Before the network is waited for, so that a person learns it
    name: 'Secure Boot',
    check: async (machine) => (await machine.kernel()).endsWith('-pve') || !(await machine.secureBoot()),
    run: () =>
      Promise.reject(
        new NotAtAll(
          'Secure Boot is on (SecureBoot = 1), and this machine’s boot loader, Debian’s, would refuse the kernel of Proxmox. Turn it off in the setup of the firmware; this goes on at the next start',
        ),
      ),
  },
  {
    // before any package: pmxcfs takes the node's address from this look-up at its first start
    name: 'host name',
    async check(machine) {
      const uplink = await machine.uplink()
      return uplink !== undefined && namesItself((await machine.read('/etc/hosts')) ?? '', await machine.name(), uplink.address)
    },
    async run(machine) {
      const uplink = await machine.uplink()
      if (uplink === undefined) throw new NotNow('this machine has no IPv4 address and way out yet')
      await machine.write('/etc/hosts', hostsWith((await machine.read('/etc/hosts')) ?? '', await machine.name(), uplink.address))
    },
  },
  {
    name: 'repository',
    check: async (machine) =>
      (await machine.read(sourcesFile)) === sources && (await machine.read(`${archiveKey.file}.sha256`)) === archiveKey.sha256,
    async run(machine) {
      const key = await machine.fetch(archiveKey.url).catch((error: unknown) => {
        throw new NotNow(`${new URL(archiveKey.url).host} does not answer: ${(error as Error).message}`)
      })
      const found = sha256(key)
      if (found !== archiveKey.sha256) {
        throw new NotAtAll(`the key of Proxmox's archive is another one: expected ${archiveKey.sha256}, found ${found}`)
      }
      await machine.write(archiveKey.file, key)
      await machine.write(`${archiveKey.file}.sha256`, archiveKey.sha256)
      await machine.write(sourcesFile, sources)
    },
  },
  {
    name: 'kernel',
    check: (machine) => machine.installed('proxmox-default-kernel'),
    async run(machine) {
      await online(machine, 'apt-get', '--quiet', '--error-on=any', 'update')
      await install(machine, 'proxmox-default-kernel')
    },
  },
  {
    name: 'restart into it',
    check: async (machine) => (await machine.kernel()).endsWith('-pve'),
    run: (machine) => machine.reboot(),
  },
  {
    name: 'packages',
    check: async (machine) => (await machine.installed('proxmox-ve')) && (await machine.installed('ifupdown2')),
    async run(machine) {
      await online(machine, 'apt-get', '--quiet', '--error-on=any', 'update')
      await install(machine, 'proxmox-ve', 'postfix', 'open-iscsi', 'chrony', 'ifupdown2')
      // arrives with the package, and answers only who pays
      await machine.remove('/etc/apt/sources.list.d/pve-enterprise.sources')
      await machine.remove('/etc/apt/sources.list.d/ceph.sources')
    },
  },
  {
    name: 'bridge',
    check: async (machine) =>
      (await machine.read(checkpoint)) === undefined &&
      ((await machine.read(interfaces)) ?? '').includes('iface vmbr0 inet static'),
    async run(machine) {
      // a trial that a cut left: what was before comes first
      if ((await machine.read(checkpoint)) !== undefined) await takeBack(machine)
      const uplink = await machine.uplink()
      if (uplink === undefined) throw new NotNow('this machine has no IPv4 address and way out yet')
      const former = { interfaces: (await machine.read(interfaces)) ?? null, networkd: (await machine.read(networkd)) ?? null }
      await machine.write(checkpoint, JSON.stringify(former))
      await machine.write(interfaces, interfacesWith(uplink))
      await machine.remove(networkd)
      const applied = (await machine.succeeds('networkctl', 'reload')) && (await machine.succeeds('ifreload', '-a'))
      if (!applied || !(await machine.succeeds('ping', '-c', '1', '-w', '60', uplink.gateway))) {
        await takeBack(machine)
        throw new NotNow(`the bridge was taken back: ${uplink.gateway} did not answer through it`)
      }
      await machine.remove(checkpoint)
    },
  },
]

async function takeBack(machine: ProxmoxMachine): Promise<void> {
  const former = JSON.parse((await machine.read(checkpoint)) ?? '{}') as Record<'interfaces' | 'networkd', string | null>
  for (const [file, text] of [
    [interfaces, former.interfaces],
    [networkd, former.networkd],
  ] as const) {
    if (typeof text === 'string') await machine.write(file, text)
    else await machine.remove(file)
  }
  await machine.succeeds('ip', 'link', 'delete', 'vmbr0')
  await machine.succeeds('networkctl', 'reload')
  await machine.succeeds('systemctl', 'restart', 'systemd-networkd.service')
  await machine.remove(checkpoint)
}

/** How it stands, for screen and serial line. */
export type Told = { step: string; at: number; of: number } & {
  state: 'running' | 'waiting' | 'stopped'
  because?: string
  againInSeconds?: number
}

/**
 * Runs the steps in order from the first that is not true. `waiting` is told and tried again with growing pauses; `NotAtAll` ends
 * it. Answers false where a person has to look, or the machine restarts.
 */
export async function profileSteps(
  machine: ProxmoxMachine,
  tell: (told: Told) => Promise<void>,
  wait: (seconds: number) => Promise<void>,
): Promise<boolean> {
  for (const [i, step] of steps.entries()) {
    const place = { step: step.name, at: i + 1, of: steps.length }
    for (let pause = 5; !(await step.check(machine)); pause = Math.min(pause * 2, 300)) {
      await tell({ ...place, state: 'running' })
      try {
        await step.run(machine)
        if (step.name === 'restart into it') return false
      } catch (error) {
        const because = (error as Error).message
        if (!(error instanceof NotNow)) {
          await tell({ ...place, state: 'stopped', because })
          return false
        }
        await tell({ ...place, state: 'waiting', because, againInSeconds: pause })
        await wait(pause)
      }
    }
  }
  return true
}
