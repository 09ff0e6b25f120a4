import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './run.ts'

const mark = 'FREEHOLD-PROBE-OK'

/**
 * A boot sector that prints a mark on the first serial port and leaves QEMU through isa-debug-exit. Real-mode code:
 * xor ax,ax; mov ds,ax; mov si,text; mov dx,0x3f8; l: lodsb; test al,al; jz done; out dx,al; jmp l; done: mov al,0x2a; out 0xf4,al; hlt.
 */
export function probeSector(): Buffer {
  const sector = Buffer.alloc(512)
  // the text lies behind the code, at 0x7c19
  Buffer.from([0x31, 0xc0, 0x8e, 0xd8, 0xbe, 0x19, 0x7c, 0xba, 0xf8, 0x03, 0xac, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb, 0xf8]).copy(
    sector,
  )
  Buffer.from([0xb0, 0x2a, 0xe6, 0xf4, 0xf4, 0xeb, 0xfd]).copy(sector, 18)
  sector.write(`${mark}\r\n`, 0x19, 'latin1')
  sector.writeUInt16LE(0xaa55, 510)
  return sector
}

/** Whether a guest really boots with this accelerator: a device file proves nothing (facts: libvirt.md §2). */
export async function boots(accelerator: 'kvm' | 'tcg', timeoutMs = 5000): Promise<boolean> {
  if (
    accelerator === 'kvm' &&
    !(await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
      () => true,
      () => false,
    ))
  )
    return false
  const folder = await mkdtemp(join(tmpdir(), 'fh-probe-'))
  try {
    const image = join(folder, 'probe.img')
    await writeFile(image, probeSector())
    const args = [
      '-accel',
      accelerator,
      '-cpu',
      accelerator === 'kvm' ? 'host' : 'qemu64',
      '-m',
      '64',
      '-nodefaults',
      '-no-user-config',
      '-display',
      'none',
    ]
    args.push(
      '-serial',
      'stdio',
      '-no-reboot',
      '-device',
      'isa-debug-exit,iobase=0xf4,iosize=4',
      '-drive',
      `file=${image},format=raw,if=floppy,readonly=on`,
      '-boot',
      'a',
    )
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const child = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('latin1')))
    child.stderr.on('data', (chunk: Buffer) => /KVM internal error/.test(chunk.toString()) && child.kill('SIGKILL'))
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.on('error', () => resolve(false))
    // isa-debug-exit turns the value v into exit code 2v + 1
    child.on('close', (code) => resolve(code === 0x2a * 2 + 1 && output.includes(mark)))
    const result = await promise
    clearTimeout(timer)
    return result
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** KVM if a guest was proven to boot with it, else TCG. Remembered per kernel, QEMU and device in `cacheFile`. */
export async function chooseAcceleration(wanted: 'auto' | 'kvm' | 'tcg', cacheFile: string): Promise<'kvm' | 'tcg'> {
  if (wanted !== 'auto') return wanted
  const device = await stat('/dev/kvm').then(
    (s) => `${s.ino}:${s.mode}:${s.gid}`,
    () => 'none',
  )
  const key = [
    release(),
    (await run('qemu-system-x86_64', ['--version'])).stdout.split('\n')[0],
    device,
    process.getuid?.(),
  ].join('|')
  const kept = await readFile(cacheFile, 'utf8').catch(() => '')
  const [keptKey, keptChoice] = kept.split('\n')
  if (keptKey === key && (keptChoice === 'kvm' || keptChoice === 'tcg')) return keptChoice
  const choice = (await boots('kvm')) ? 'kvm' : 'tcg'
  // where it cannot be kept it is found out again
  await writeFile(cacheFile, `${key}\n${choice}\n`).catch(() => undefined)
  return choice
}
