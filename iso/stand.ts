import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { connect } from 'node:tls'
import { setTimeout as delay } from 'node:timers/promises'
import { startMachine, type Machine, type MachineOptions } from './machine.ts'
import { lastScreen, readPicture, screenDiffers } from './screen-picture.ts'

/** An image, disks and machines of one test file. */
export interface Stand {
  iso: string
  folder: string
  /** A new empty disk; its name is its serial unless another is given. */
  disk(name: string, gib: number, serial?: string): Disk
  /** The same as a plain file, into which tools of this machine can look. */
  rawDisk(name: string, gib: number): Disk
  /** Starts a machine that is cut at the latest when the stand closes. */
  start(options: MachineOptions): Promise<Machine>
  /** Installs unattended onto that disk, to the end; answers all that the serial line said. `installed` is called before it is off. */
  install(disk: Disk, more?: MachineOptions, answers?: string, installed?: () => void): Promise<string>
  close(): Promise<void>
}

export interface Disk {
  file: string
  format: 'qcow2' | 'raw'
  serial: string
}

/** Builds the image, or takes FREEHOLD_ISO. */
export async function openStand(): Promise<Stand> {
  const folder = await mkdtemp(join(tmpdir(), 'fh-iso-test-'))
  const machines: Machine[] = []
  const close = async (): Promise<void> => {
    for (const machine of machines) await machine.cut()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const iso =
      process.env['FREEHOLD_ISO'] ??
      execFileSync(resolve(import.meta.dirname, '../scripts/build-iso.sh'), {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      }).trim()
    const start = async (options: MachineOptions): Promise<Machine> => {
      const machine = await startMachine(options)
      machines.push(machine)
      return machine
    }
    return {
      iso,
      folder,
      close,
      start,
      disk(name, gib, serial = name) {
        // virtio cuts it there
        if (serial.length > 20) throw new Error(`the serial of a disk is at most 20 long: ${serial}`)
        const file = join(folder, `${name}.qcow2`)
        execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', file, `${gib}G`])
        return { file, format: 'qcow2', serial }
      },
      rawDisk(name, gib) {
        const file = join(folder, `${name}.raw`)
        execFileSync('truncate', ['-s', `${gib}G`, file])
        return { file, format: 'raw', serial: name }
      },
      async install(disk, more = {}, answers = answersFor(disk.serial), installed) {
        const machine = await start({
          iso: { file: iso, as: 'usb' },
          disks: [disk],
          credentials: { 'freehold.answers': answers },
          ...more,
        })
        await machine.waitFor(/FREEHOLD-INSTALL \S+ installed/, 5400)
        installed?.()
        const said = await machine.serial()
        await machine.poweredOff(300)
        return said
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

export const answersFor = (...serials: string[]): string =>
  `version: 1\ninstall:\n  disks:\n${serials.map((serial) => `    - serial: ${serial}\n`).join('')}  wipe: true\n`

/** True while the disk is as `qemu-img create` left it: not one block was ever written. */
export const untouched = (file: string): boolean =>
  (JSON.parse(execFileSync('qemu-img', ['map', '--output=json', file], { encoding: 'utf8' })) as { data: boolean }[]).every(
    ({ data }) => !data,
  )

export async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

/** The fingerprint over its two lines on the machine's screen; waits for it. */
export async function fingerprintOnScreen(machine: Machine, seconds: number): Promise<string> {
  const [, upper = '', lower = ''] = await machine.waitFor(
    /must be\s+((?:[0-9A-F]{2}:){15}[0-9A-F]{2})\s+((?:[0-9A-F]{2}:){15}[0-9A-F]{2})/,
    seconds,
  )
  return `${upper}:${lower}`
}

/**
 * Waits until the picture of the machine's screen shows what its serial line does, and leaves that picture in `file`. Throws with the
 * first difference. What others wrote over it stays until the screen is drawn again, within ten minutes.
 */
export async function seenOnScreen(machine: Machine, file: string, seconds = 720): Promise<string[]> {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    await rm(file, { force: true })
    const lines = lastScreen(await machine.serial())
    await machine.picture(file)
    const differs =
      lines === undefined
        ? 'the serial line shows no screen'
        : await readFile(file).then(
            (bytes) => screenDiffers(readPicture(bytes), lines),
            (error: Error) => error.message,
          )
    if (differs === undefined) return lines ?? []
    if (performance.now() > deadline) throw new Error(`${file}: ${differs}\n${lines?.join('\n')}`)
    await delay(5000)
  }
}

/**
 * Asks the machine again for `seconds`, until it answers: the screen may be drawn before Caddy listens, and until then the machine
 * itself ends each connection.
 */
export async function onceItAnswers<T>(seconds: number, ask: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await delay(500)
    }
  }
}

/** The fingerprint that whoever listens at this port shows; asked for once, or for `patience` seconds. */
export const fingerprintAt = (port: number, patience = 0): Promise<string> => onceItAnswers(patience, () => shownAt(port))

function shownAt(port: number): Promise<string> {
  return new Promise((done, failed) => {
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false }, () => {
      done(socket.getPeerCertificate().fingerprint256)
      socket.end()
    })
    socket.on('error', failed)
    // QEMU takes every connection itself and holds it while nobody in the machine answers
    socket.setTimeout(60_000, () => socket.destroy(new Error(`port ${port}: no TLS answer`)))
  })
}

/** Bytes that the image file takes: grows when the machine writes where nothing was. */
export const allocated = (file: string): number => statSync(file).blocks * 512
