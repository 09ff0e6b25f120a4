import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

/** Takes a staged restore over and kills itself after so many renames (0: never). For tests only. */
const [stateFolder = '', dieAfter = '0'] = process.argv.slice(2)
let renames = 0
const { rename } = promises
promises.rename = async (from, to) => {
  await rename(from, to)
  renames += 1
  if (renames === Number(dieAfter)) process.kill(process.pid, 'SIGKILL')
}
syncBuiltinESMExports()
const { takeOverStaged } = await import('./staged.ts')
await takeOverStaged(stateFolder)
