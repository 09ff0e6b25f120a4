import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { bootCode, cutShortMenu, sayCutShortUnderUefi } from './cut-short.ts'

test('the boot code leaves the partition table alone, and its jumps and its text lie where they are looked for', () => {
  const code = bootCode()
  assert.equal(code.length, 440)
  const text = code.readUInt16LE(6) - 0x7c00
  assert.match(code.toString('latin1', text), /^\r\nFREEHOLD-FAILED install-incomplete\r\n[^\0]*install anew\.\r\n\0/)
  // jz leads to hlt, jmp to lodsb
  const [jz, jmp] = [code.indexOf(0x74), code.indexOf(0xeb)]
  assert.equal(code[jz + 2 + code.readInt8(jz + 1)], 0xf4)
  assert.equal(code[jmp + 2 + code.readInt8(jmp + 1)], 0xac)
})

test('GRUB’s words end with the machine halted, and start nothing', () => {
  assert.match(cutShortMenu, /install-incomplete/)
  assert.doesNotMatch(cutShortMenu, /\b(linux|initrd|configfile|chainloader)\b/)
})

test('under UEFI the ESP has what the firmware looks for, the signed GRUB beside it, and the words where that GRUB looks', async (t) => {
  const here = mkdtempSync(join(tmpdir(), 'fh-cut-short-'))
  t.after(() => rmSync(here, { recursive: true }))
  for (const [file, text] of [
    ['usr/lib/shim/shimx64.efi.signed', 'shim'],
    ['usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed', 'signed grub'],
  ] as const) {
    mkdirSync(join(here, 'live', dirname(file)), { recursive: true })
    writeFileSync(join(here, 'live', file), text)
  }
  const esp = join(here, 'esp')
  await sayCutShortUnderUefi(esp, join(here, 'live'))
  const files = readdirSync(esp, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  assert.deepEqual(
    Object.fromEntries(
      files.map(({ parentPath, name }) => [
        join(parentPath, name).slice(esp.length + 1),
        readFileSync(join(parentPath, name), 'utf8'),
      ]),
    ),
    { 'EFI/BOOT/BOOTX64.EFI': 'shim', 'EFI/BOOT/grubx64.efi': 'signed grub', 'EFI/debian/grub.cfg': cutShortMenu },
  )
})
