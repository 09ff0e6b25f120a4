import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** A machine of QEMU, emulated: what an ISO or a disk is booted in. */
export interface MachineOptions {
  /** Disk images in order, each with the serial that its "hardware" says. */
  disks?: readonly { file: string; format: 'raw' | 'qcow2'; serial: string }[]
  /** The medium, as a USB stick or a CD. */
  iso?: { file: string; as: 'cd' | 'usb' }
  firmware?: 'bios' | 'uefi' | 'secure-boot'
  memoryMiB?: number
  /** systemd credentials, by name, in the SMBIOS table. */
  credentials?: Record<string, string>
  /** The same by fw_cfg: file of each. */
  fwCfgCredentials?: Record<string, string>
  /** Images of more USB sticks. */
  sticks?: readonly string[]
  /** Starts this kernel instead of the medium's boot loader, with words of its own. */
  kernel?: { linux: string; initrd: string; append: string }
  /** All that passes the network card, as pcap. */
  capture?: string
  /** Port of 127.0.0.1 that leads to the machine's 443; absent: no network card at all. */
  httpsPort?: number
  /** Its network has an address for it and a neighbour; no way out, no name server, nothing that leads to this machine. */
  noWayOut?: boolean
  /** `-rtc base=`. */
  clock?: string
}

export interface Machine {
  /** All that came over the serial line so far. */
  serial(): Promise<string>
  /**
   * Waits until the line matches `good`; anything that says the machine failed ends the wait at once, as does its end.
   * @throws Error with the end of the line.
   */
  waitFor(good: RegExp, seconds: number, options?: { failure?: RegExp }): Promise<RegExpMatchArray>
  /** Types on the serial line. */
  type(text: string): Promise<void>
  /** Presses keys of the keyboard, by QEMU's names (`ret`, `down`, `a`, `shift-a`). */
  press(...keys: string[]): Promise<void>
  /** What the screen shows, as a PPM picture in this file. */
  picture(file: string): Promise<void>
  /** Resolves when the machine powered itself off. */
  poweredOff(seconds: number): Promise<void>
  /** CPU seconds of QEMU until now: what to compare on a busy machine. */
  cpuSeconds(): Promise<number>
  /** Stops its processors where they are: what it does not do from now on was not done when the power went. */
  freeze(): Promise<void>
  /** Its power button: an installed host ends by itself. */
  powerButton(): Promise<void>
  /** The power is cut. */
  cut(): Promise<void>
}

const failures = /FREEHOLD-FAILED [a-z-]+|Kernel panic|\(initramfs\)|emergency mode/

/**
 * An emulator that gets no processor for a moment delivers no timer, and the kernel gives up before anything else has begun. That
 * says nothing about the host: the machine is reset.
 */
const starved = /Kernel panic[^\n]*IO-APIC \+ timer doesn't work/
const resetsAtMost = 8

export async function startMachine(options: MachineOptions): Promise<Machine> {
  const folder = await mkdtemp(join(tmpdir(), 'fh-iso-'))
  const log = join(folder, 'serial.log')
  const socket = join(folder, 'serial.sock')
  const monitor = join(folder, 'monitor.sock')
  const argv = machineArguments(options, { log, socket, monitor })
  const qemu = spawn('qemu-system-x86_64', argv, { stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  qemu.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const ended = new Promise<void>((resolve) => qemu.once('close', () => resolve()))
  const kill = (): void => void qemu.kill('SIGKILL')
  process.once('exit', kill)
  // without what moves the cursor: texts are looked for as people see them
  const whole = (): Promise<string> =>
    readFile(log, 'utf8')
      .then((text) => text.replaceAll(/\x1b(?:\[[0-9;?!]*[a-zA-Z]|c)/g, ''))
      .catch(() => '')
  let [begun, resets] = [0, 0]
  const serial = async (): Promise<string> => (await whole()).slice(begun)
  const gone = (): boolean => qemu.exitCode !== null || qemu.signalCode !== null
  const tail = async (): Promise<string> => `${(await serial()).slice(-3000)}\n${stderr}`

  async function until<T>(what: string, seconds: number, look: () => Promise<T | undefined>): Promise<T> {
    const deadline = performance.now() + seconds * 1000
    for (;;) {
      const found = await look()
      if (found !== undefined) return found
      if (performance.now() > deadline) throw new Error(`not in ${seconds} s: ${what}\n${await tail()}`)
      await delay(250)
    }
  }
  return {
    serial,
    waitFor: (good, seconds, { failure = failures } = {}) =>
      until(String(good), seconds, async () => {
        const over = gone()
        const text = await serial()
        const match = good.exec(text)
        if (match !== null) return match
        if (starved.test(text) && resets < resetsAtMost) {
          resets += 1
          begun = (await whole()).length
          await tell(monitor, 'system_reset')
          return undefined
        }
        const bad = failure.exec(text)
        if (bad !== null || over) throw new Error(`${bad?.[0] ?? 'the machine ended'}\n${await tail()}`)
        return undefined
      }),
    type: (text) =>
      new Promise((resolve, reject) => {
        const line = connect(socket, () => line.write(text, () => line.end(resolve)))
        line.on('error', reject)
        line.resume()
      }),
    async press(...keys) {
      // slow enough for firmware that polls
      for (const key of keys) {
        await tell(monitor, `sendkey ${key}`)
        await delay(120)
      }
    },
    async picture(file) {
      await tell(monitor, `screendump ${file}`)
      await until('a picture', 30, async () => ((await stat(file).catch(() => undefined))?.size ?? 0) > 1000 || undefined)
    },
    async poweredOff(seconds) {
      await until('powered off', seconds, () => Promise.resolve(gone() || undefined))
      process.off('exit', kill)
      await rm(folder, { recursive: true, force: true })
    },
    async cpuSeconds() {
      const stat = await readFile(`/proc/${qemu.pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return (Number(fields[11]) + Number(fields[12])) / 100
    },
    freeze: () => tell(monitor, 'stop'),
    powerButton: () => tell(monitor, 'system_powerdown'),
    async cut() {
      kill()
      await ended
      process.off('exit', kill)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** One line to QEMU's monitor; resolves when it asks for the next. */
function tell(monitor: string, line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(monitor)
    socket.setEncoding('utf8').setTimeout(30_000, () => socket.destroy(new Error(`QEMU's monitor: ${line}: no answer`)))
    let told = false
    socket.on('data', (part: string) => {
      text += part
      const prompts = text.split('(qemu) ').length - 1
      if (prompts >= 1 && !told) {
        told = true
        socket.write(`${line}\n`)
      } else if (prompts >= 2) socket.end(() => resolve())
    })
    socket.on('error', reject)
  })
}

/** Arguments of QEMU. `qemu64` is close to the oldest machines; without cx16, around which QEMU 7.2 corrupts flags. */
function machineArguments(options: MachineOptions, files: { log: string; socket: string; monitor: string }): string[] {
  const {
    disks = [],
    iso,
    firmware = 'bios',
    memoryMiB = 2048,
    credentials = {},
    fwCfgCredentials = {},
    sticks = [],
    httpsPort,
  } = options
  const secure = firmware === 'secure-boot'
  const argv = [
    '-machine',
    `q35,accel=tcg${secure ? ',smm=on' : ''}`,
    '-cpu',
    'qemu64,-cx16',
    '-smp',
    '2',
    '-m',
    String(memoryMiB),
  ]
  argv.push('-display', 'none', '-vga', 'std', '-no-reboot', '-device', 'virtio-rng-pci', '-device', 'qemu-xhci')
  argv.push('-chardev', `socket,id=monitor,path=${files.monitor},server=on,wait=off`, '-mon', 'chardev=monitor,mode=readline')
  argv.push(
    '-chardev',
    `socket,id=serial,path=${files.socket},server=on,wait=off,logfile=${files.log}`,
    '-serial',
    'chardev:serial',
  )
  if (firmware !== 'bios') {
    const kind = secure ? '_4M.ms.fd' : '_4M.fd'
    argv.push('-drive', `if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE${kind}`)
    argv.push('-drive', `if=pflash,unit=1,format=raw,snapshot=on,file=/usr/share/OVMF/OVMF_VARS${kind}`)
    if (secure) argv.push('-global', 'driver=cfi.pflash01,property=secure,value=on')
  }
  disks.forEach(({ file, format, serial }, i) => {
    // a new mirror is synced from end to end, and nobody needs gigabytes of zeros
    const sparse = format === 'raw' ? ',discard=unmap,detect-zeroes=unmap' : ''
    argv.push('-drive', `if=none,id=disk${i},format=${format},file=${file},cache=unsafe${sparse}`)
    argv.push('-device', `virtio-blk-pci,drive=disk${i},serial=${serial},bootindex=${i + 1}`)
  })
  if (iso !== undefined) {
    argv.push('-drive', `if=none,id=medium,format=raw,readonly=on,file=${iso.file}`)
    // a kernel of its own has the first place already
    const first = options.kernel === undefined ? ',bootindex=0' : ''
    if (iso.as === 'cd') argv.push('-device', `ide-cd,drive=medium${first}`)
    else argv.push('-device', `usb-storage,drive=medium${first},removable=on`)
  }
  sticks.forEach((file, i) => {
    argv.push(
      '-drive',
      `if=none,id=stick${i},format=raw,readonly=on,file=${file}`,
      '-device',
      `usb-storage,drive=stick${i},removable=on`,
    )
  })
  for (const [name, file] of Object.entries(fwCfgCredentials))
    argv.push('-fw_cfg', `name=opt/io.systemd.credentials/${name},file=${file}`)
  if (options.kernel !== undefined) {
    argv.push('-kernel', options.kernel.linux, '-initrd', options.kernel.initrd, '-append', options.kernel.append)
  }
  for (const [name, value] of Object.entries(credentials)) {
    argv.push('-smbios', `type=11,value=io.systemd.credential.binary:${name}=${Buffer.from(value).toString('base64')}`)
  }
  if (httpsPort === undefined) argv.push('-nic', 'none')
  else {
    const ways = `user,id=net,hostfwd=tcp:127.0.0.1:${httpsPort}-:443${options.noWayOut === true ? ',restrict=on' : ''}`
    argv.push('-netdev', ways, '-device', 'virtio-net-pci,netdev=net')
    if (options.capture !== undefined) argv.push('-object', `filter-dump,id=capture,netdev=net,file=${options.capture}`)
  }
  if (options.clock !== undefined) argv.push('-rtc', `base=${options.clock}`)
  return argv
}
