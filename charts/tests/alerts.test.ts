/** Where the alerts of the PrometheusRule send whoever is woken by them. */
import { describe, expect, it } from 'vitest'
import { findCustom } from './support/objects.ts'
import { render } from './support/render.ts'

type Alert = { alert: string; labels: Record<string, string>; annotations: Record<string, string> }

const alerts = async (prometheusRule: object = {}): Promise<Alert[]> => {
  const objects = await render({ monitoring: { prometheusRule: { enabled: true, ...prometheusRule } } })
  const { groups } = findCustom(objects, 'PrometheusRule').spec as { groups: { rules: Alert[] }[] }
  return groups.flatMap(({ rules }) => rules)
}

describe('alerts', () => {
  it('name the path of their runbook, and no link that leads nowhere, as long as nobody says where the pages are', async () => {
    for (const { alert, annotations } of await alerts()) {
      expect(annotations).toMatchObject({ runbook: `docs/runbooks/${alert}.md` })
      expect(Object.keys(annotations).toSorted()).toEqual(['description', 'runbook', 'summary'])
    }
  })

  it.each(['https://git.example.org/docs/runbooks', 'https://git.example.org/docs/runbooks/'])(
    'link to their runbook below %s',
    async (runbookUrl) => {
      const plain = await alerts()
      const linked = await alerts({ runbookUrl })
      expect(linked.map(({ alert }) => alert)).toEqual(plain.map(({ alert }) => alert))
      for (const [index, { alert, annotations, labels }] of linked.entries()) {
        const { runbook, ...rest } = plain[index]?.annotations ?? {}
        expect(runbook).toBe(`docs/runbooks/${alert}.md`)
        expect(annotations).toEqual({ ...rest, runbook_url: `https://git.example.org/docs/runbooks/${alert}.md` })
        expect(labels).toEqual(plain[index]?.labels)
      }
    },
  )
})
