import { spawn } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { asUser, vmUserIds } from './libvirtd.ts'
import { run } from './run.ts'

const mark = 'FREEHOLD-PROBE-OK'

/**
 * A boot sector that goes the way of every kernel: real mode, page tables at 0x1000, protected and long mode; there it adds
 * 1…1000 with SSE2 and only if the sum is right prints the text behind the code on the first serial port; then it leaves QEMU
 * by writing 0x2a to isa-debug-exit. Broken KVM fails here: a device that opens proves nothing, and neither does a BIOS that
 * runs. Assembled at 0x7c00 by GNU as:
 */
const code = [
  // cli; ax = ds = es = ss = 0; sp = 0x7c00
  'fa31c08ed88ec08ed0bc007c',
  // 12 KiB of zeroes at 0x1000, then PML4 → PDPT → PD → one page of 2 MiB at 0
  'bf0010b90018fcf3abc70600100320c70600200330c70600308300',
  // CR4: PAE, OSFXSR, OSXMMEXCPT; CR3 = 0x1000; EFER.LME
  '0f20e0660d200600000f22e066b8001000000f22d866b9800000c00f32660d000100000f30',
  // lgdt; CR0: PE, PG; far jump to 64-bit code
  '0f0116a87c0f20c0660d010000800f22c0ea627c0800',
  // the sum in xmm0, compared with 500500
  'b9e8030000660fefc0660f6ec9660ffec1e2f6660f7ec03d14a307007511',
  // prints the text at 0x7cae, byte by byte
  'beae7c000066baf803ac84c07403eeebf8',
  // out 0xf4, 0x2a; hlt
  'b02ae6f4f4ebf9',
  // descriptors: none, 64-bit code; their table
  '000000000000000000000000009a20000f00987c0000',
].join('')

/** The 512 bytes that the probe boots. */
export function probeSector(): Buffer {
  const sector = Buffer.alloc(512)
  Buffer.concat([Buffer.from(code, 'hex'), Buffer.from(`${mark}\r\n`, 'latin1')]).copy(sector)
  sector.writeUInt16LE(0xaa55, 510)
  return sector
}

/** Whether a guest really boots with this accelerator, for the user that will run VMs. Under a second where it does. */
export async function boots(accelerator: 'kvm' | 'tcg', timeoutMs = 5000): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'fh-probe-'))
  try {
    const image = join(folder, 'probe.img')
    await writeFile(image, probeSector(), { mode: 0o644 })
    await chmod(folder, 0o755)
    const machine = ['-accel', accelerator, '-cpu', accelerator === 'kvm' ? 'host' : 'qemu64', '-m', '64', '-nodefaults']
    const quiet = ['-no-user-config', '-display', 'none', '-serial', 'stdio', '-no-reboot', '-boot', 'a']
    const exit = ['-device', 'isa-debug-exit,iobase=0xf4,iosize=4']
    const drive = ['-drive', `file=${image},format=raw,if=floppy,readonly=on`]
    const user = process.getuid?.() === 0 ? await vmUserIds() : undefined
    const [program = '', ...args] = asUser(user, ['qemu-system-x86_64', ...machine, ...quiet, ...exit, ...drive])
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/' })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('latin1')))
    child.stderr.on('data', (chunk: Buffer) => /KVM internal error/.test(chunk.toString()) && child.kill('SIGKILL'))
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.on('error', () => resolve(false))
    // isa-debug-exit turns the value v into exit code 2v + 1
    child.on('close', (status) => resolve(status === 0x2a * 2 + 1 && output.includes(mark)))
    const result = await promise
    clearTimeout(timer)
    return result
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** KVM if a guest was proven to boot with it, else TCG. Remembered per kernel, QEMU, device and user in `cacheFile`. */
export async function chooseAcceleration(wanted: 'auto' | 'kvm' | 'tcg', cacheFile: string): Promise<'kvm' | 'tcg'> {
  if (wanted !== 'auto') return wanted
  const device = await stat('/dev/kvm').then(
    (s) => `${s.ino}:${s.mode}:${s.uid}:${s.gid}`,
    () => undefined,
  )
  if (device === undefined) return 'tcg'
  const qemu = (await run('qemu-system-x86_64', ['--version'])).stdout.split('\n')[0]
  const key = [release(), qemu, device, process.getuid?.()].join('|')
  const [keptKey, kept] = (await readFile(cacheFile, 'utf8').catch(() => '')).split('\n')
  if (keptKey === key && (kept === 'kvm' || kept === 'tcg')) return kept
  const choice = (await boots('kvm')) ? 'kvm' : 'tcg'
  // where it cannot be kept it is found out again
  await writeFile(cacheFile, `${key}\n${choice}\n`).catch(() => undefined)
  return choice
}
