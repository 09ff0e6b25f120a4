import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCli } from '../main.ts'
import { exitCodes } from '../output.ts'

test('an update wants one of --check and --apply; nothing and both are refused before anything is looked at', async () => {
  for (const args of [[], ['--check', '--apply']]) assert.equal(await runCli(['update', ...args]), exitCodes.badInput)
})
