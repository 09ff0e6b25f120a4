import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorCatalogue } from '@freehold/appliance/errors/catalogue'
import { describeFailure, HostFailure } from '../api/failure.ts'
import { fill } from './catalogue.ts'
import { hostWords } from './catalogues.ts'
import { de } from './de.ts'

test('X20 every title and usual hint of the host has its German, and nothing else has', () => {
  const said = Object.values(errorCatalogue).flatMap(({ title, hint }) => [title, hint])
  assert.deepEqual(Object.keys(hostWords.de).sort(), [...new Set(said)].sort())
  for (const [english, german] of Object.entries(hostWords.de)) {
    assert.ok(german.trim() !== '' && german !== english, english)
    // commands are typed as they are
    for (const [command] of english.matchAll(/freehold [a-z]+(?: [a-z]+)?(?=,|:|\.| (?:to|and))/g))
      assert.ok(german.includes(command.split(' ').slice(0, 2).join(' ')), german)
  }
})

test('X20 a refusal is told in the language of the page; what is of the one case keeps its own, and says which', () => {
  const problem = {
    ...{
      title: 'The storage is full',
      detail: 'Only 12 MiB are free.',
      hint: 'Free space on it or add another one, then try again.',
    },
    ...{ status: 507, instance: '/v1/setup', code: 'storage-full', retryable: true, requestId: 'r1' },
  }
  const texts = (locale: 'en' | 'de') => ({
    locale,
    t: ((key, values) => fill(de[key], locale, values)) as Parameters<typeof describeFailure>[1]['t'],
    host: (text: string) => hostWords[locale][text] ?? text,
    hostLang: locale === 'en' ? undefined : ('en' as const),
  })
  const german = describeFailure(new HostFailure(problem), texts('de'))
  assert.deepEqual([german.title, german.detail, german.detailLang], ['Der Speicherplatz ist voll', problem.detail, 'en'])
  assert.match(german.hint, /^Schaffen Sie/)
  assert.equal(german.code, 'storage-full', 'codes stay the same in all')
  // a hint of the one case is not in the catalogue
  const own = describeFailure(new HostFailure({ ...problem, hint: 'Free 3 GiB on /srv.' }), texts('de'))
  assert.equal(own.hint, 'Free 3 GiB on /srv.')
  const english = describeFailure(new HostFailure(problem), texts('en'))
  assert.deepEqual([english.title, english.hint, english.detailLang], [problem.title, problem.hint, undefined])
})
