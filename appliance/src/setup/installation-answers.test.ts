import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAnswersHere } from './installation-answers.ts'

const base = {
  mode: 'installed',
  listen: { api: '/run/freehold/api.sock', web: '127.0.0.1:8462', login: '10.77.0.1:7443' },
} as const
const answers = (mode: string, more = ''): string => `version: 1
mode: ${mode}
origin: https://shop.example
chain: { chainId: 31337, rpcUrls: ["http://127.0.0.1:8545"] }
roles: { owner: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", treasury: "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC" }
plans:
  - { name: Small, vcpus: 1, memoryMiB: 512, diskGiB: 4, graceDays: 7, capacity: 4, prices: { native: "1000" } }
hypervisor: { kind: libvirt }
${more}`

test('denies a mistake with the line where it stands', () => {
  assert.throws(() => parseAnswersHere(answers('installed', 'listen: { door: 7 }\n'), base), {
    fields: [{ pointer: '/listen/door', line: 9, detail: 'this field is not known; check its spelling or remove it' }],
  })
})

test('an answer file without listeners gets those of the installation, one with some keeps them', () => {
  assert.deepEqual(parseAnswersHere(answers('installed'), base).listen, base.listen)
  const given = parseAnswersHere(answers('installed', 'listen:\n  login: 10.9.0.1:7443\n'), base).listen
  assert.deepEqual(given, { ...base.listen, login: '10.9.0.1:7443' })
})

test('embedded mode, and a place that brings nothing, keep what the answers say', () => {
  const usual = { api: 'run/api.sock', web: 'run/web.sock', login: '127.0.0.1:7443' }
  assert.deepEqual(parseAnswersHere(answers('embedded'), base).listen, usual)
  assert.deepEqual(parseAnswersHere(answers('installed'), undefined).listen, usual)
})
