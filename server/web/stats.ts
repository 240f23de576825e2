/** What became of a workspace's campaigns: day by day, and one beside another. Sums of counters: no message is read. */
import Type, { type Static } from 'typebox';
import { campaignPage } from '../campaigns/queries.ts';
import { DAY_STATES } from '../stats/counters.ts';
import { countsOfCampaigns, dayTotals, sumOf } from '../stats/days.ts';
import { CampaignSummarySchema, summaryOf } from './campaigns-json.ts';
import { CountsSchema, countsJson } from './campaigns-status.ts';
import { endpoint, ok } from './endpoint.ts';
import { PAGE_QUERY, pageOf, pageSchema, readPage } from './page.ts';
import { invalid } from './problem.ts';
import { Id, nullable, strict } from './schemas.ts';

const DAYS = 30;
const DAYS_MAX = 400;

const Day = Type.String({ format: 'date', description: '2030-01-31, in UTC' });

const Count = Type.Integer({ minimum: 0 });

const DayCountsSchema = strict(
  Object.fromEntries(DAY_STATES.map((state) => [state, Count])) as Record<
    (typeof DAY_STATES)[number],
    typeof Count
  >,
  {
    $id: 'DayCounts',
    description:
      'How many messages of campaigns became so on the day: one that is accepted today and bounces tomorrow is in both.',
  },
);

export const days = endpoint({
  summary: 'What became of campaigns’ messages, day by day',
  description: `Of the last ${DAYS} days unless told otherwise, and of at most ${DAYS_MAX}; also those on which nothing was.`,
  scope: 'stats:read',
  idempotency: 'none',
  query: { from: Type.Optional(Day), to: Type.Optional(Day) },
  responses: {
    200: strict(
      {
        from: Day,
        to: Day,
        totals: DayCountsSchema,
        days: Type.Array(strict({ day: Day, counts: DayCountsSchema })),
      },
      { $id: 'Stats' },
    ),
  },
  async handle({ query, workspaceId }, tx) {
    const range = readRange(query);
    const found = await dayTotals(tx, workspaceId, range);
    return ok({ ...range, totals: sumOf(found), days: found });
  },
});

const Rate = nullable(
  Type.Number({ minimum: 0, maximum: 1, description: 'Null: nothing to take a share of.' }),
);

/** Shares of the messages of which it is known what became of them. */
const ComparedSchema = strict(
  {
    campaign: CampaignSummarySchema,
    counts: CountsSchema,
    accepted_rate: Rate,
    bounce_rate: Rate,
    complaint_rate: Rate,
  },
  { $id: 'ComparedCampaign' },
);

export const campaigns = endpoint({
  summary: 'Campaigns beside one another, newest first',
  scope: 'stats:read',
  idempotency: 'none',
  query: PAGE_QUERY,
  responses: { 200: pageSchema(ComparedSchema) },
  async handle({ query, workspaceId }, tx) {
    const { limit, after } = readPage(query, Id);
    const rows = await campaignPage(tx, workspaceId, after, limit + 1);
    const counts = await countsOfCampaigns(
      tx,
      workspaceId,
      rows.map(({ id }) => id),
    );
    const item = (row: (typeof rows)[number]) => compared(summaryOf(row), counts.get(row.id) ?? {});
    return ok(pageOf(rows, limit, { item, key: ({ id }) => id }));
  },
});

function compared(
  campaign: Static<typeof CampaignSummarySchema>,
  found: Readonly<Record<string, number>>,
): Static<typeof ComparedSchema> {
  const counts = countsJson(found);
  const { accepted, rejected, bounced, complained, expired, uncertain } = counts;
  const decided = accepted + rejected + bounced + complained + expired + uncertain;
  const share = (n: number) => (decided === 0 ? null : n / decided);
  return {
    campaign,
    counts,
    accepted_rate: share(accepted + bounced + complained),
    bounce_rate: share(rejected + bounced),
    complaint_rate: share(complained),
  };
}

/** Throws a Problem. */
function readRange(query: { from?: string; to?: string }): { from: string; to: string } {
  const today = Temporal.Now.plainDateISO('UTC');
  const to = query.to === undefined ? today : Temporal.PlainDate.from(query.to);
  const from =
    query.from === undefined ? to.subtract({ days: DAYS - 1 }) : Temporal.PlainDate.from(query.from);
  const count = from.until(to).days + 1;
  if (count < 1) throw invalid('/query/from', `is after ${to}`);
  if (count > DAYS_MAX) throw invalid('/query/from', `is more than ${DAYS_MAX} days before ${to}`);
  return { from: from.toString(), to: to.toString() };
}
