import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bootCode, cutShortMenu } from './cut-short.ts'

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
