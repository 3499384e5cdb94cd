import { Controller, Get, Post } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import { Public, RateClasses } from '../../kernel/handler-marks.js';
import { RouteTable } from './route-table.service.js';

@Controller('things')
class Things {
  @Get()
  list() {}
  @Get(':id')
  one() {}
  @Get('mine')
  @RateClasses('general', 'query')
  mine() {}
  @Post(':id/parts.json')
  @RateClasses()
  part() {}
  helper() {}
}

@Controller(['a/models', 'b/models'])
class Models {
  @Post('*')
  any() {}
}

@Controller()
@Public()
class Open {
  @Get(['open', 'shut'])
  @RateClasses('login')
  open() {}
}

function buildTable(): RouteTable {
  const controllers = [Things, Models, Open].map((metatype) => ({ metatype }));
  const modules = new Map([['m', { controllers: new Map([...controllers, { metatype: null }].entries()) }]]);
  return new RouteTable(modules as unknown as ModulesContainer);
}

describe('RouteTable', () => {
  const table = buildTable();

  it.each([
    ['GET', '/things', '/things', ['general']],
    ['head', '/things', '/things', ['general']],
    ['GET', '/things/7', '/things/:id', ['general']],
    ['GET', '/things/:id', '/things/:id', ['general']],
    ['GET', '/things/mine', '/things/mine', ['general', 'query']],
    ['POST', '/things/7/parts.json', '/things/:id/parts.json', []],
    ['POST', '/a/models/x/y:z', '/a/models/*', ['general']],
    ['POST', '/b/models/x', '/b/models/*', ['general']],
    ['GET', '/open', '/open', []],
    ['GET', '/shut', '/shut', []],
  ])('finds %s %s', (method, path, template, classes) => {
    expect(table.find(method, path)).toMatchObject({ template, classes });
  });

  it.each([
    ['GET', '/nothing'],
    ['PUT', '/things'],
    ['GET', '/things/7/8'],
    ['POST', '/things/7/partsxjson'],
    ['POST', '/a/models'],
    ['GET', '/things/'],
    ['GET', ''],
  ])('knows nothing of %s %s', (method, path) => {
    expect(table.find(method, path)).toBeNull();
  });

  it('gives the guard’s own list of classes, which outlives the request', () => {
    expect(table.find('GET', '/things/1')?.classes).toBe(table.find('GET', '/things/2')?.classes);
  });
});
