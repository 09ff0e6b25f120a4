import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { answersUrlOf, fetchAnswers } from './answers-url.ts'
import { faultLines, type InstallFault } from './fault.ts'

let server: Server
let folder: string
let fingerprint: string
const asked: string[] = []
const url = (path: string) => `https://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
const brief = { seconds: 0.2, pauseMs: 50 }

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fh-answers-'))
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      '/CN=nobody',
      '-days',
      '1',
      '-keyout',
      join(folder, 'key'),
      '-out',
      join(folder, 'cert'),
    ],
    { stdio: 'ignore' },
  )
  const [key, cert] = [readFileSync(join(folder, 'key')), readFileSync(join(folder, 'cert'))]
  fingerprint = new X509Certificate(cert).fingerprint256
  server = createServer({ key, cert }, (request, reply) => {
    asked.push(request.url ?? '')
    if (request.url === '/good') reply.end('version: 1\n')
    else if (request.url === '/large') reply.end('x'.repeat(300_000))
    else if (request.url === '/moved') reply.writeHead(302, { location: '/good' }).end()
    else reply.writeHead(404).end()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
})
after(() => {
  server.close()
  rmSync(folder, { recursive: true })
})

const named = (path: string, print = fingerprint) => {
  const found = answersUrlOf(`quiet freehold.answers=${url(path)} freehold.fingerprint=${print} freehold.mode=install`)
  assert.ok(found)
  return found
}
const refusedWith = (code: string) => (error: InstallFault) => {
  for (const line of faultLines(error)) assert.ok(line.length <= 120, line)
  return error.code === code
}

test('another certificate is refused before anything is asked of that server', async () => {
  await assert.rejects(fetchAnswers(named('/good', 'AB'.repeat(32)), brief), refusedWith('answers-wrong'))
  assert.deepEqual(asked, [])
})

test('no https, no fingerprint or half of one is refused', () => {
  for (const line of [
    'freehold.answers=http://10.0.2.2/a freehold.fingerprint=' + 'ab'.repeat(32),
    'freehold.answers=https://10.0.2.2/a',
    'freehold.answers=https://10.0.2.2/a freehold.fingerprint=abcd',
    'freehold.answers= freehold.fingerprint=' + 'ab'.repeat(32),
  ])
    assert.throws(() => answersUrlOf(line), refusedWith('answers-wrong'), line)
  assert.equal(answersUrlOf('quiet freehold.mode=install'), undefined)
})

test('nobody there, nothing there, a redirect: tried until the patience ends, then told with the last reason', async () => {
  for (const path of ['/nothing', '/moved'])
    await assert.rejects(fetchAnswers(named(path), brief), refusedWith('answers-unreachable'))
  assert.ok(!asked.includes('/good'))
  await assert.rejects(
    fetchAnswers({ url: 'https://127.0.0.1:1/a', fingerprint: 'AB'.repeat(32) }, brief),
    refusedWith('answers-unreachable'),
  )
})

test('more than an answer file is none', async () => {
  await assert.rejects(fetchAnswers(named('/large'), brief), refusedWith('answers-wrong'))
})

test('the certificate of the fingerprint is believed, with or without colons', async () => {
  assert.equal(await fetchAnswers(named('/good'), brief), 'version: 1\n')
  assert.equal(await fetchAnswers(named('/good', fingerprint.replaceAll(':', '').toLowerCase()), brief), 'version: 1\n')
})
