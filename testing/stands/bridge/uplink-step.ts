import { createHostClient } from '@freehold/appliance/host/client'
import { uplinkStep } from '@freehold/appliance/setup/steps/uplink'
import type { SetupContext } from '@freehold/appliance/setup/context'

// setup's own step on the machine it runs on: what the unattended install does. Arguments: hostd's socket, the answers as JSON.
const [socket = '', answers = '{}'] = process.argv.slice(2)
const context = { answers: JSON.parse(answers), host: createHostClient(socket) } as SetupContext
const io = { signal: new AbortController().signal, log: (line: string) => console.log(line), progress: () => undefined }
if (await uplinkStep.check(context)) {
  console.log('done already')
} else {
  await uplinkStep.run(context, io).then(
    () => console.log('ended well'),
    (error: { code?: string; detail?: string }) => console.log(`ended with ${error.code}: ${error.detail}`),
  )
}
