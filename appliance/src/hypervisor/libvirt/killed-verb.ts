import { kill } from 'node:process'
import { z } from 'zod'
import { testKey, testSpec } from '../contract-suite.ts'
import { openDriver } from './test-stand.ts'

/** Run as a process of its own by tests: begins a verb and is killed without a word in the phase named. */
const [uri = '', folder = '', runFolder = '', verb, phase, sha256 = ''] = z.array(z.string()).parse(process.argv.slice(2))
const driver = await openDriver(uri, folder, runFolder)
const progress = (now: string) => {
  if (now === phase) kill(process.pid, 'SIGKILL')
}
if (verb === 'create') await driver.create(testSpec(testKey(1n), sha256, 1), { progress })
else await driver.reinstall(testKey(1n), testSpec(testKey(1n, 2), sha256, 1), { progress })
