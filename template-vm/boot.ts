import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What a boot needs. The image stays untouched: the guest writes to an overlay that `stop` deletes. */
export interface BootOptions {
  /** Path of the template's qcow2. */
  image: string
  /** Path of a NoCloud ISO, see `makeSeed`. */
  seedIso: string
  memoryMiB: number
  vcpus: number
  /** Free TCP port on 127.0.0.1 that is forwarded to the guest's port 22. */
  port: number
  /** Default `bios`; `uefi` needs the package ovmf. */
  firmware?: 'bios' | 'uefi'
  /** Virtual size of the overlay in GiB; default: the template's own size. */
  diskGiB?: number
  /** Seconds after which the boot counts as failed; default 240. */
  timeoutSeconds?: number
}

/** A guest whose sshd has answered. */
export interface BootedGuest {
  /** Wall time from the start of QEMU to sshd's `SSH-2.0-` line. */
  seconds: number
  /** CPU time that QEMU had used by then: what to compare on a busy machine. */
  cpuSeconds: number
  /** Unix sockets of the serial line and of the guest agent's channel. */
  serialSocket: string
  agentSocket: string
  /** Ends QEMU and deletes the overlay; may be called twice. */
  stop(): Promise<void>
}

/** The card's address, which the seed's `network-config` must name. */
export const guestMac = '52:54:00:46:48:01'

/**
 * Boots an image in bare QEMU, emulated (TCG), wired as the libvirt driver wires it, and waits for sshd.
 * `-cx16`: QEMU 7.2 corrupts flags around cmpxchg16b, and Debian's kernel panics. The wait is for the banner, because the
 * user network accepts connections before the guest listens.
 * @throws Error with the end of the serial log if the guest ends or the time is over.
 */
export async function bootTemplate(options: BootOptions): Promise<BootedGuest> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-boot-'))
  const serialSocket = join(folder, 'serial.sock')
  const agentSocket = join(folder, 'agent.sock')
  const serialLog = join(folder, 'serial.log')
  const overlay = join(folder, 'disk.qcow2')
  const size = options.diskGiB === undefined ? [] : [`${options.diskGiB}G`]
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', options.image, overlay, ...size], {
    timeout: 30_000,
  })

  const started = performance.now()
  const qemu = spawn('qemu-system-x86_64', qemuArguments(options, { overlay, serialSocket, serialLog, agentSocket }), {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  qemu.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
  // A test that dies must not leave a machine behind.
  const kill = () => qemu.kill('SIGKILL')
  process.once('exit', kill)
  const stop = async (): Promise<void> => {
    await end(qemu)
    process.off('exit', kill)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const deadline = started + (options.timeoutSeconds ?? 240) * 1000
    while (!(await bannerOf(options.port))) {
      if (qemu.exitCode !== null || qemu.signalCode !== null) throw new Error(`QEMU ended: ${stderr.trim()}`)
      if (performance.now() > deadline) throw new Error(`no SSH banner in time; serial log:\n${await tail(serialLog)}`)
      await delay(50)
    }
    const seconds = (performance.now() - started) / 1000
    return { seconds, cpuSeconds: await cpuSecondsOf(qemu.pid), serialSocket, agentSocket, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const someKey = Buffer.alloc(32, 7).toString('base64')
/** Facts of a VM whose host answers nowhere: the guest is as a rented one, and reports in vain. */
const nobodysFacts = {
  version: 1,
  endpoint: '10.0.2.2:9',
  spkiSha256: someKey,
  statementKey: someKey,
  userCa: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH',
  token: `4eff3c5b1f35/1/1.${'a'.repeat(64)}`,
  chainId: 31337,
  contract: '0x5fbdb2315678afecb367f032d93f642f64180aa3',
  tokenId: '1',
  generation: 1,
}

/**
 * Writes a NoCloud ISO with the given files (name → text) to `path`; meta-data, network-config and user-data have defaults
 * for one card with DHCP and no user-data of a subscriber.
 */
export async function makeSeed(path: string, files: Record<string, string> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-seed-'))
  const eth0 = { match: { macaddress: guestMac }, dhcp4: true, dhcp6: false, 'accept-ra': true }
  const all = {
    'freehold.json': JSON.stringify(nobodysFacts),
    'meta-data': JSON.stringify({ 'instance-id': 'freehold:4eff3c5b1f35/1/1', 'local-hostname': 'vm-1' }),
    'network-config': JSON.stringify({ version: 2, ethernets: { eth0 } }),
    'user-data': '#cloud-config\n{}\n',
    ...files,
  }
  try {
    for (const [name, text] of Object.entries(all)) await writeFile(join(folder, name), text)
    await run('xorriso', ['-as', 'genisoimage', '-quiet', '-V', 'cidata', '-J', '-r', '-o', path, folder], { timeout: 30_000 })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return path
}

function qemuArguments(
  options: BootOptions,
  at: { overlay: string; serialSocket: string; serialLog: string; agentSocket: string },
): string[] {
  // A pflash without a file for variables: OVMF keeps them in memory, which a single boot does not notice.
  const uefi = ['-drive', 'if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd']
  return [
    ['-accel', 'tcg,tb-size=128', '-machine', 'q35', '-cpu', 'qemu64,-cx16'],
    ['-m', String(options.memoryMiB), '-smp', String(options.vcpus), '-nodefaults', '-display', 'none', '-no-reboot'],
    options.firmware === 'uefi' ? uefi : [],
    ['-drive', `if=none,id=disk,format=qcow2,discard=unmap,file=${at.overlay}`, '-device', 'virtio-blk-pci,drive=disk'],
    ['-drive', `if=none,id=seed,format=raw,readonly=on,media=cdrom,file=${options.seedIso}`],
    ['-device', 'ide-cd,drive=seed,bus=ide.0'],
    ['-netdev', `user,id=net,hostfwd=tcp:127.0.0.1:${options.port}-:22`],
    ['-device', `virtio-net-pci,netdev=net,mac=${guestMac},romfile=`],
    ['-device', 'virtio-rng-pci', '-device', 'virtio-serial-pci'],
    ['-chardev', `socket,id=agent,path=${at.agentSocket},server=on,wait=off`],
    ['-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0'],
    ['-chardev', `socket,id=serial,path=${at.serialSocket},server=on,wait=off,logfile=${at.serialLog}`],
    ['-serial', 'chardev:serial'],
  ].flat()
}

// One second each, measured: the user network repeats the SYN of a connection opened too early only after seconds, so
// longer waits miss the moment; shorter ones leave many half-open connections, for each of which sshd forks at its start.
const bannerPatienceMs = 1000

/** Whether an SSH server greets on the port; false for silence, refusal and anything else. */
function bannerOf(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    const settle = (value: boolean) => {
      socket.destroy()
      resolve(value)
    }
    socket.setTimeout(bannerPatienceMs, () => settle(false))
    socket.once('data', (data) => settle(data.toString('latin1').startsWith('SSH-2.0-')))
    socket.once('error', () => settle(false))
    socket.once('close', () => settle(false))
  })
}

/** User and system time of a process (proc_pid_stat(5), fields 14 and 15, in ticks of 10 ms). */
async function cpuSecondsOf(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
}

async function tail(file: string): Promise<string> {
  const { stdout } = await run('tail', ['-c', '2000', file], { timeout: 5000 }).catch(() => ({ stdout: '(none)' }))
  return stdout
}
