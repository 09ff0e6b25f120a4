import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { shippedTemplate } from './shipped-template.ts'

test('the guest image of the installation is the only file named by a hash; none or two are refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-shipped-'))
  try {
    await assert.rejects(shippedTemplate(join(folder, 'nowhere')), { code: 'template-missing' })
    await writeFile(join(folder, 'notes.qcow2'), '')
    await assert.rejects(shippedTemplate(folder), { code: 'template-missing' })
    const sha256 = 'ab'.repeat(32)
    await writeFile(join(folder, `${sha256}.qcow2`), '')
    assert.deepEqual(await shippedTemplate(folder), { path: join(folder, `${sha256}.qcow2`), sha256 })
    await writeFile(join(folder, `${'cd'.repeat(32)}.qcow2`), '')
    await assert.rejects(shippedTemplate(folder), { code: 'template-missing' })
  } finally {
    await rm(folder, { recursive: true })
  }
})
