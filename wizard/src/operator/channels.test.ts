import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyChannel, inputOf } from './channels.ts'

test('a channel to fill in has a name that no other has', () => {
  const first = emptyChannel('mail', [])
  const second = emptyChannel('mail', [first])
  const third = emptyChannel('mail', [first, second])
  assert.deepEqual(
    [first, second, third].map((c) => c.channelId),
    ['mail', 'mail-2', 'mail-3'],
  )
})

test('what only the host knows is not sent back', () => {
  const input = inputOf({
    kind: 'ntfy',
    channelId: 'n',
    enabled: true,
    minimumSeverity: 'low',
    url: 'https://n.example/t',
    hasSecret: true,
    last: null,
  })
  assert.deepEqual(Object.keys(input).sort(), ['channelId', 'enabled', 'kind', 'minimumSeverity', 'url'])
})
