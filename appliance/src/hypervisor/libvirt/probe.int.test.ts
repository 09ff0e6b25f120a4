import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { boots, chooseAcceleration, probeSector } from './probe.ts'

test('is a boot sector with text and signature', () => {
  const sector = probeSector()
  assert.equal(sector.length, 512)
  assert.equal(sector.readUInt16LE(510), 0xaa55)
  // the code loads the address of its text: 0x7c00 and where the text lies
  assert.equal(sector.indexOf('FREEHOLD-PROBE-OK') + 0x7c00, 0x7cae)
})

test('is proven: the sector reaches 64-bit code under TCG', async () => {
  assert.equal(await boots('tcg', 20_000), true)
})

test('is denied to an accelerator that does not finish in time', async () => {
  assert.equal(await boots('tcg', 1), false)
})

test('chooses KVM only where a guest boots with it, and remembers', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fh-choice-'))
  try {
    const cache = join(folder, 'acceleration')
    const first = await chooseAcceleration('auto', cache)
    assert.equal(first, (await boots('kvm')) ? 'kvm' : 'tcg')
    const hasDevice = await stat('/dev/kvm').then(Boolean, () => false)
    if (hasDevice) assert.match(await readFile(cache, 'utf8'), new RegExp(`\\n${first}\\n$`))
    const began = performance.now()
    assert.equal(await chooseAcceleration('auto', cache), first)
    assert.ok(performance.now() - began < 2000)
    assert.equal(await chooseAcceleration('tcg', cache), 'tcg')
  } finally {
    await rm(folder, { recursive: true })
  }
})
