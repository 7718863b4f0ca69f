// One dashboard, drawn by Grafana's component library from data that stands in the page: see dashboards/picture/run.
import * as React from 'react';
import { createRoot } from 'react-dom/client';
import {
  createTheme, dateTime, FieldType, getDisplayProcessor, standardTransformers, standardTransformersRegistry,
  ThemeContext, toDataFrame, transformDataFrame,
} from '@grafana/data';
import {
  BarGauge, BigValue, BigValueColorMode, BigValueGraphMode, GlobalStyles, PanelChrome, PortalContainer, Table,
  TimeSeries,
} from '@grafana/ui';
import { BarGaugeDisplayMode, LegendDisplayMode, VizOrientation } from '@grafana/schema';
import { firstValueFrom } from 'rxjs';
import 'uplot/dist/uPlot.min.css';

const CELL = 38, GAP = 8, WIDTH = 1400;
const theme = createTheme({ colors: { mode: 'dark' } });
const { title, panels, from, to } = (window as any).dashboard;
const range: any = { from: dateTime(from * 1000), to: dateTime(to * 1000), raw: { from: 'now-5m', to: 'now' } };

const LINE = {  // What a line must have, where the dashboard says nothing.
  drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, fillOpacity: 10, gradientMode: 'none', pointSize: 5,
  showPoints: 'never', spanNulls: false, axisPlacement: 'auto', axisLabel: '', axisColorMode: 'text', barAlignment: 0,
  scaleDistribution: { type: 'linear' }, thresholdsStyle: { mode: 'off' }, stacking: { mode: 'none', group: 'A' },
  hideFrom: { legend: false, tooltip: false, viz: false }, axisBorderShow: false, axisCenteredZero: false,
  insertNulls: false,
};

function thresholds(config: any) {  // JSON has no infinity.
  const steps = (config.thresholds?.steps ?? []).map((s: any) => ({ ...s, value: s.value ?? -Infinity }));
  return { ...config, thresholds: { ...config.thresholds, steps } };
}

function shown(frame: any) {
  for (const field of frame.fields) {
    if (field.type === FieldType.number) {
      const values = field.values.filter((v: any) => Number.isFinite(v));
      const min = field.config.min ?? Math.min(0, ...values), max = field.config.max ?? Math.max(...values, min + 1e-9);
      field.state = { ...field.state, range: { min, max, delta: max - min } };
    }
    field.display = getDisplayProcessor({ field, theme, timeZone: 'utc' });
  }
  return frame;
}

function frames(panel: any) {
  const defaults = panel.fieldConfig.defaults;
  const all: any[] = [];
  panel.targets.forEach((target: any, t: number) => {
    for (const { metric, values } of panel.results[t]) {
      const value = (_: string, label: string) => metric[label] ?? '';
      const name = target.legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, value);
      const config = thresholds({ ...structuredClone(defaults), displayName: name,
                                  custom: { ...LINE, ...defaults.custom } });
      const frame = toDataFrame({ name, fields: [
        { name: 'Time', type: FieldType.time, values: values.map((v: any) => v[0] * 1000), config: {} },
        { name, type: FieldType.number, values: values.map((v: any) => +v[1]), config, labels: metric },
      ] });
      frame.fields[1].state = { seriesIndex: all.length };
      all.push(shown(frame));
    }
  });
  return all;
}

const { mergeTransformer, organizeFieldsTransformer } = standardTransformers;
standardTransformersRegistry.setInit(() => [mergeTransformer, organizeFieldsTransformer]
  .map((transformation: any) => ({ id: transformation.id, name: transformation.name, transformation } as any)));

async function tableOf(panel: any) {
  const defaults = panel.fieldConfig.defaults;
  const queries = panel.targets.map((target: any, t: number) => {
    const rows = panel.results[t];
    const labels = [...new Set(rows.flatMap((r: any) => Object.keys(r.metric)))] as string[];
    return toDataFrame({ refId: target.refId, fields: [
      { name: 'Time', type: FieldType.time, values: rows.map((r: any) => r.values[0][0] * 1000), config: {} },
      ...labels.map((label) => ({ name: label, type: FieldType.string, config: {},
                                 values: rows.map((r: any) => r.metric[label] ?? '') })),
      { name: panel.targets.length > 1 ? `Value #${target.refId}` : 'Value', type: FieldType.number,
        values: rows.map((r: any) => +r.values[0][1]), config: {} },
    ] });
  });
  const [frame] = await firstValueFrom(transformDataFrame(panel.transformations ?? [], queries));
  for (const field of frame.fields) {
    const heading = field.config.displayName ?? field.name;
    const own = panel.fieldConfig.overrides.find((o: any) => o.matcher.options === heading)?.properties ?? [];
    const set = Object.fromEntries(own.filter((p: any) => p.id !== 'links').map((p: any) => [p.id, p.value]));
    field.config = thresholds({ ...structuredClone(defaults), displayName: heading,
                                ...(field.type === FieldType.number ? set : { unit: 'string' }) });
  }
  return shown(frame);
}

const last = (frame: any) => frame.fields[1].display(frame.fields[1].values[frame.fields[1].values.length - 1]);

function Body({ panel, w, h }: any) {
  const [table, setTable] = React.useState<any>(null);
  React.useEffect(() => { if (panel.type === 'table') tableOf(panel).then(setTable); }, []);
  if (panel.type === 'table') return table && <Table data={table} width={w} height={h} />;
  const all = frames(panel);
  if (!all.length) return <div style={{ opacity: 0.6, textAlign: 'center' }}>{panel.fieldConfig.defaults.noValue}</div>;
  if (panel.type === 'timeseries') {
    return <TimeSeries frames={all} width={w} height={h} timeRange={range} timeZone="utc" options={{} as any}
      legend={{ displayMode: LegendDisplayMode.List, placement: 'bottom', showLegend: true, calcs: [] } as any} />;
  }
  const named = all.length > 1 || panel.options.textMode === 'value_and_name';
  const each = Math.floor(w / all.length);
  if (panel.type === 'stat') {
    return <div style={{ display: 'flex' }}>{all.map((f, i) => <BigValue key={i} theme={theme} width={each} height={h}
      value={{ ...last(f), title: named ? f.name : undefined }} colorMode={BigValueColorMode.Value}
      graphMode={BigValueGraphMode.None} />)}</div>;
  }
  const room = Math.min(40, Math.floor(h / all.length));
  return <div>{all.map((f, i) => <div key={i} style={{ height: room }}>
    <BarGauge theme={theme} width={w} height={room - 6} orientation={VizOrientation.Horizontal} itemSpacing={8}
      displayMode={BarGaugeDisplayMode.Basic} field={f.fields[1].config} display={f.fields[1].display} lcdCellWidth={12}
      value={{ ...last(f), title: f.name }} /></div>)}</div>;
}

function Page() {
  const unit = (WIDTH + GAP) / 24;
  const height = Math.max(...panels.map((p: any) => p.gridPos.y + p.gridPos.h)) * CELL;
  return <ThemeContext.Provider value={theme}><GlobalStyles />
    <h3 style={{ margin: '8px 0' }}>{title}</h3>
    <div style={{ position: 'relative', width: WIDTH, height }}>{panels.map((panel: any) => {
      const { x, y, w, h } = panel.gridPos;
      const width = Math.floor(w * unit - GAP), tall = h * CELL - GAP;
      return <div key={panel.id} style={{ position: 'absolute', left: Math.round(x * unit), top: y * CELL }}>
        <PanelChrome title={panel.title} description={panel.description} width={width} height={tall}>
          {(innerWidth: number, innerHeight: number) => <Body panel={panel} w={innerWidth} h={innerHeight} />}
        </PanelChrome></div>;
    })}</div><PortalContainer /></ThemeContext.Provider>;
}

Object.assign(document.body.style, { background: theme.colors.background.canvas, color: theme.colors.text.primary,
                                     fontFamily: 'Inter, Arial, sans-serif', fontSize: '14px', margin: '8px' });
createRoot(document.getElementById('root')!).render(<Page />);
