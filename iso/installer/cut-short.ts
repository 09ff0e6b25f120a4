import { copyFile, mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What a machine says whose installation was cut short: on the screen, and on the first serial line. */
const words = [
  'FREEHOLD-FAILED install-incomplete',
  'The installation of this machine was cut short: nothing runs here.',
  'Start it from the Freehold medium again and install anew.',
]

/** Boot code ends here; behind it the disk's signature and partitions begin. */
const codeBytes = 440
const loadedAt = 0x7c00

/**
 * Boot code for the first sector: prints the words by the BIOS and halts. A disk without boot code but with a partition table is
 * started all the same, and runs into nothing without a word.
 */
export function bootCode(): Buffer {
  const code = [
    [0x31, 0xc0], // xor ax, ax
    [0x8e, 0xd8], // mov ds, ax
    [0xfc], // cld
    [0xbe, 0, 0], // mov si, text
    [0xac], // next: lodsb
    [0x84, 0xc0], // test al, al
    [0x74, 15], // jz end
    [0xb4, 0x0e], // mov ah, 0eh
    [0xbb, 0x07, 0x00], // mov bx, 7
    [0xcd, 0x10], // int 10h: the screen
    [0xb4, 0x01], // mov ah, 1
    [0x31, 0xd2], // xor dx, dx
    [0xcd, 0x14], // int 14h: the first serial line
    [0xeb, -20 & 0xff], // jmp next
    [0xf4], // end: hlt
    [0xeb, -3 & 0xff], // jmp end
  ].flat()
  const text = loadedAt + code.length
  code[6] = text & 0xff
  code[7] = text >> 8
  const sector = Buffer.alloc(codeBytes)
  const said = Buffer.from(`\r\n${words.join('\r\n')}\r\n\0`, 'latin1')
  if (code.length + said.length > codeBytes) throw new Error('the words do not fit into a boot sector')
  Buffer.from(code).copy(sector)
  said.copy(sector, code.length)
  return sector
}

/** Writes the boot code in front of the disk's partition table; GRUB takes its place when the system is there. */
export async function sayCutShort(disk: string): Promise<void> {
  const handle = await open(disk, 'r+')
  try {
    await handle.write(bootCode(), 0, codeBytes, 0)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Debian's shim and its GRUB, as the medium has them; this GRUB reads its first configuration from this folder of the ESP. */
const shim = 'usr/lib/shim/shimx64.efi.signed'
const signedGrub = 'usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed'
const vendor = 'debian'

/**
 * The same under UEFI: puts boot loader and words onto an empty ESP that is mounted at `esp`. `system`: root of the live system. The
 * file that firmware looks for comes last. `/usr/lib/freehold/boot-loaders` writes all of it anew when the system is there.
 */
export async function sayCutShortUnderUefi(esp: string, system = '/'): Promise<void> {
  const [boot, words] = [join(esp, 'EFI/BOOT'), join(esp, 'EFI', vendor)]
  for (const folder of [boot, words]) await mkdir(folder, { recursive: true })
  await writeFile(join(words, 'grub.cfg'), cutShortMenu)
  await copyFile(join(system, signedGrub), join(boot, 'grubx64.efi'))
  await copyFile(join(system, shim), join(boot, 'BOOTX64.EFI'))
}

/** The same for GRUB, from when it is installed until it has its menu. */
export const cutShortMenu = [
  'serial --unit=0 --speed=115200',
  'terminal_output console serial',
  ...words.map((line) => `echo "${line}"`),
  'sleep 86400',
  'halt',
  '',
].join('\n')
