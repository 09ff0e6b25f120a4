import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../clock/clock.ts'
import { noHost } from '../../host/no-host.ts'
import { startDaemon } from '../../main.ts'

function statusAt(socketPath: string): Promise<Record<string, unknown>> {
  const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>()
  const asked = request({ socketPath, path: '/v1/status', headers: { host: 'localhost' } }, (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (part: string) => (text += part))
    response.on('end', () => resolve(JSON.parse(text) as Record<string, unknown>))
  })
  asked.on('error', reject)
  asked.end()
  return promise
}

test('an installed host says that it is one before anybody set it up', async () => {
  const folder = await mkdtemp('/tmp/fh-first-')
  const daemon = await startDaemon({
    stateFolder: folder,
    clock: systemClock,
    host: noHost,
    front: { reload: () => Promise.resolve(), announced: () => Promise.resolve() },
    wizard: { mode: 'installed', listen: { login: '127.0.0.1:0' } },
    buildTemplate: () => Promise.reject(new Error('no image is asked for')),
  })
  try {
    assert.equal((await statusAt(join(folder, 'run/admin.sock')))['mode'], 'installed')
  } finally {
    await daemon.stop()
    await rm(folder, { recursive: true })
  }
})
