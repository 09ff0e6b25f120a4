import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import getPort from 'get-port'
import { vmIdOf, type VmKey } from '../../chain/installation.ts'
import { systemClock } from '../../clock/clock.ts'
import type { Twin } from '../contract-suite.ts'
import { domainNameOf } from '../names.ts'
import type { ConsoleStream, Hypervisor } from '../port.ts'
import { createLibvirtHypervisor, type LibvirtHypervisor } from './libvirt-hypervisor.ts'
import { runFolderOf, startLibvirtd, type Libvirtd } from './libvirtd.ts'
import { uuidOf } from './metadata.ts'
import { markerName } from './pool.ts'
import { createVirsh, type Virsh } from './virsh.ts'

const execute = promisify(execFile)
const checkout = resolve(import.meta.dirname, '../../../..')

/** A libvirtd of its own with an empty pool, gone at the end of the test with all that it ran. */
export interface LibvirtStand {
  hypervisor: LibvirtHypervisor
  virsh: Virsh
  libvirtd: Libvirtd
  folder: string
  runFolder: string
  restart(): Promise<void>
  /** Ids of the QEMU processes of this stand. */
  machines(): number[]
}

/** Resolves once `condition` holds; rejects after `seconds` naming what was waited for. */
export async function until(what: string, seconds: number, condition: () => Promise<boolean> | boolean): Promise<void> {
  const end = performance.now() + seconds * 1000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${seconds} s`)
    await systemClock.wait(50)
  }
}

/** The tiny guest of template-vm/tiny, built if it is not cached. */
export async function tinyGuest(): Promise<{ path: string; sha256: string }> {
  const { stdout } = await execute(join(checkout, 'scripts/build-tiny-guest.sh'), ['--json'], { timeout: 600_000 })
  const { image, sha256 } = JSON.parse(stdout) as { image: string; sha256: string }
  return { path: image, sha256 }
}

/** Processes of which an argument names `text`. */
export function processesNaming(text: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^[0-9]+$/.test(name) || Number(name) === process.pid) return []
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'latin1').includes(text) ? [Number(name)] : []
    } catch {
      return []
    }
  })
}

/** Starts a stand in a folder of its own; with `sizeMiB` on a file system of that size, which takes root. */
export async function openStand(t: TestContext, sizeMiB?: number): Promise<LibvirtStand> {
  // short and open to the VM user: sockets have at most 108 characters, root's own folders are closed
  const base = await mkdtemp('/tmp/fhv-')
  await chmod(base, 0o755)
  const folder = join(base, 'vms')
  if (sizeMiB !== undefined) {
    await mkdir(folder)
    await execute('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', folder])
  }
  const runFolder = runFolderOf(folder, process.getuid?.() ?? 0)
  const stand = { folder, runFolder } as LibvirtStand
  stand.machines = () => processesNaming(folder).filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('qemu'))
  stand.restart = async () => void (stand.libvirtd = await startLibvirtd({ folder, runFolder }))
  await stand.restart()
  t.after(async () => {
    await stand.hypervisor?.close()
    await stand.libvirtd.stop()
    for (const pid of stand.machines()) process.kill(pid, 'SIGKILL')
    await until('the machines to be gone', 10, () => stand.machines().length === 0)
    await rm(runFolder, { recursive: true, force: true })
    if (sizeMiB !== undefined) await execute('umount', [folder])
    await rm(base, { recursive: true, force: true })
  })
  stand.virsh = createVirsh(stand.libvirtd.uri)
  stand.hypervisor = await openDriver(stand.libvirtd.uri, folder, runFolder)
  await stand.hypervisor.initialisePool()
  return stand
}

/** What fits on this machine's disk is no matter for most tests: the sparse disks of the tiny guest take some MiB. */
export function withRoom<Driver extends Hypervisor>(driver: Driver): Driver {
  const capacity: Hypervisor['capacity'] = async () => ({
    ...(await driver.capacity()),
    diskTotalBytes: 2 ** 40,
    diskFreeBytes: 2 ** 40,
    diskUnpromisedBytes: 2 ** 40,
    memoryUnpromisedMiB: 2 ** 20,
  })
  return Object.assign(Object.create(driver) as Driver, { capacity })
}

/** Another driver on the same libvirtd, as a daemon that starts again would have it. */
export async function openDriver(uri: string, folder: string, runFolder: string): Promise<LibvirtHypervisor> {
  return await createLibvirtHypervisor({ folder, runFolder, uri, clock: systemClock, acceleration: 'tcg', loginPort: 7443 })
}

/** A conversation with the tiny guest's shell on its console. */
async function askGuest(hypervisor: Hypervisor, key: VmKey, command: string, seconds: number): Promise<string> {
  const stream = await hypervisor.console(key)
  let heard = ''
  stream.onData((bytes) => (heard += Buffer.from(bytes).toString('latin1')))
  const end = `end-${Math.random().toString(36).slice(2)}`
  const answer = () => new RegExp(`begin-${end}\r?\n([\\s\\S]*?)${end}\r?\n`).exec(heard)?.[1]
  try {
    await until(`the guest to answer ${command}`, seconds, async () => {
      // said again and again: what is typed while it boots is heard by nobody
      if (answer() === undefined) write(stream, `\necho begin-${end}; ${command}; echo ${end}\n`)
      await systemClock.wait(200)
      return answer() !== undefined
    })
  } finally {
    stream.close()
  }
  return (answer() ?? '').replaceAll('\r', '').trim()
}

function write(stream: ConsoleStream, text: string): void {
  stream.write(Buffer.from(text, 'latin1'))
}

/** Boots are under TCG on a machine that may be busy with everything else: a limit, not an expectation. */
const bootSeconds = 240
/** A command on the console of a guest that is up. */
const answerSeconds = 120

/** The insides of a VM that runs the tiny guest; resolves once its shell answers. */
export async function insideGuest(hypervisor: Hypervisor, key: VmKey): ReturnType<Twin['guest']> {
  await askGuest(hypervisor, key, 'true', bootSeconds)
  return {
    write: async (text) => void (await askGuest(hypervisor, key, `echo ${text} > /data/word; sync`, answerSeconds)),
    async read() {
      const text = await askGuest(hypervisor, key, 'cat /data/word 2> /dev/null', answerSeconds)
      return text === '' ? undefined : text
    },
    kernel: {
      async panic() {
        const stream = await hypervisor.console(key)
        let heard = ''
        stream.onData((bytes) => (heard += Buffer.from(bytes).toString('latin1')))
        write(stream, '\npanic\n')
        await until('the guest to boot again', bootSeconds, () => heard.includes('tiny-guest ready'))
        stream.close()
      },
      // the count on its disk goes up with a boot only
      boots: async () => Number(await askGuest(hypervisor, key, 'cat /data/boots', answerSeconds)),
    },
  }
}

/** Everything of a stand that names a VM: domains, files, sockets, processes. */
export async function tracesOf(stand: LibvirtStand, key: VmKey): Promise<string[]> {
  const id = vmIdOf(key)
  const found = (await stand.virsh.call('list', ['list', '--all', '--name'])).split('\n').filter((name) => name.includes(id))
  for (const folder of [stand.folder, stand.runFolder]) {
    const names = await readdir(folder, { recursive: true })
    found.push(...names.filter((name) => name.includes(id) || name.includes(uuidOf(key))))
  }
  return [...found, ...processesNaming(id).map((pid) => `process ${pid}`)]
}

/** The stand as a twin of the contract suite. */
export async function openTwin(t: TestContext, template: { path: string; sha256: string }): Promise<Twin> {
  const stand = await openStand(t)
  const { hypervisor, folder, virsh } = stand
  return {
    hypervisor,
    template,
    guest: (key) => insideGuest(hypervisor, key),
    traces: (key) => tracesOf(stand, key),
    freePort: () => getPort({ host: '127.0.0.1' }),
    async breakDown() {
      await stand.libvirtd.stop()
      return () => stand.restart()
    },
    async unmount() {
      await rename(join(folder, markerName), join(folder, 'away'))
      return () => rename(join(folder, 'away'), join(folder, markerName))
    },
    async reboot() {
      await stand.libvirtd.stop()
      for (const pid of stand.machines()) process.kill(pid, 'SIGKILL')
      await until('the machines to be gone', 10, () => stand.machines().length === 0)
      await rm(stand.runFolder, { recursive: true })
      await stand.restart()
      await until('autostart to have run', 20, async () => {
        const [wanted, running] = await Promise.all([
          virsh.call('list', ['list', '--all', '--autostart', '--name']),
          virsh.call('list', ['list', '--name']),
        ])
        return wanted.trim() === running.trim()
      })
    },
    async foreign(key) {
      const file = join(folder, 'foreign.xml')
      const xml = `<domain type='qemu'><name>${domainNameOf(key)}</name><memory>65536</memory><os><type>hvm</type></os></domain>`
      await writeFile(file, xml)
      await virsh.call('define', ['define', file])
      await rm(file)
      return async () => void (await virsh.call('undefine', ['undefine', domainNameOf(key)]))
    },
  }
}
