'use strict';

// The same calls through both clients, and what each makes of the answers. They are unrelated to each other and to
// this project, so what they accept is what the platform's own clients accept.

const assert = require('node:assert/strict');
const { after, before, beforeEach, describe, test } = require('node:test');
const TopClient = require('node-taobao-topclient').default;
const TopSDK = require('topsdk');
const simulator = require('./simulator');

const update = 'tmall.servicecenter.workcard.logisticsorder.update';
const create = 'tmall.servicecenter.spserviceorder.create';
const sync = 'taobao.logistics.provider.work.order.sync';
const send = 'tmall.ovs.delivery.order.info.send';

// What differs between the two: how one is made, and what it makes of an integer above 2^53.
const clients = [
  {
    name: 'node-taobao-topclient 0.1.7',
    make: (gateway, secret) => new TopClient({ appkey: simulator.appKey, appsecret: secret, REST_URL: gateway }),
    id: (digits) => Number(digits), // not exact
  },
  {
    name: 'topsdk 1.0.13',
    make: (gateway, secret) => new TopSDK(simulator.appKey, secret, gateway, { useValidators: false }),
    id: (digits) => digits, // text
  },
];

let sim;
before(async () => {
  assert.equal(process.env.TZ, 'Asia/Shanghai', 'run this by test/clients/run');
  sim = await simulator.start(process.env.WORKER);
});
after(async () => {
  assert.equal(await sim.stop(), 0, 'exit code of worker simulator');
});
beforeEach(() => sim.reset());

for (const client of clients) {
  describe(client.name, () => {
    const execute = (method, params, type) => client.make(sim.gateway, simulator.secret).execute(method, params, type);

    const statusChange = () => ({
      session: simulator.session,
      logistics_order_id: '222233333',
      status_code: 'signed',
      sign_time: '2026-03-01 17:15:28',
      comment: "消费者不在家 & + = % / # ? \" ' \\ ~ * \u{1F600}",
      sub_express_codes: '2233332222,2233332223',
      new_logistics: 'true',
      memo: '',
    });
    const serviceOrder = (outOrderID) => ({
      session: simulator.session,
      service_product_id: 2813,
      service_object_type: '50019790',
      service_content: '挂装',
      service_properties: JSON.stringify({ 品牌: '海尔', sku屏幕尺寸: '70' }),
      buyer: JSON.stringify({ buyer_name: 'xx', mobile: '17700000000', address_detail: null, location: '3500' }),
      service_count: 2,
      out_order_id: outOrderID,
      source: 'JD',
      ext_json: '',
    });
    const workOrder = () => ({
      work_order_sync_request: JSON.stringify({
        provider_order_create_time: '2024-11-22 00:00:00',
        provider_order_code: '123456',
        provider_order_update_time: '2024-11-22 00:00:00',
        structural_reply: { reply_supplements: [{ field_name: 'pickupDate', field_value: '2024-11-23 10:00:00' }], reply_value: 1 },
        service_code: '催派送',
        provider_order_type: 1,
        biz_order_code: '123456',
        biz_order_type: 1,
        idempotent_id: '12345',
        extension: '{"k":"v"}',
      }),
    });
    const deliveryOrder = () => ({
      param: JSON.stringify({ platform_order_id: '43546574633', status: 'ISSUE_SUCCEEDED', weight: 23, goods_list: [{ sku_name: '测试商品', quantity: 3 }] }),
    });

    // request_id is checked here and left out of what is returned.
    function withoutRequestID(response) {
      const { request_id: requestID, ...rest } = response;
      assert.match(String(requestID), /^[0-9a-z]{13}$/);
      return rest;
    }

    async function rejects(call, code, subCode, message) {
      await assert.rejects(call, (error) => {
        assert.equal(error.name, 'TOPClientError');
        assert.equal(error.code, code);
        assert.equal(error.sub_code, subCode);
        assert.match(error.message, message);
        return true;
      });
    }

    async function lastCall() {
      const calls = await sim.calls();
      return calls[calls.length - 1];
    }

    for (const type of ['POST', 'GET']) {
      test(`${type}: logisticsorder.update`, async () => {
        assert.deepEqual(withoutRequestID(await execute(update, statusChange(), type)), { result: { success: true } });
        const call = await lastCall();
        assert.equal(call.accepted, true);
        assert.equal(call.method, update);
        assert.equal(call.app_key, simulator.appKey);
        for (const [name, value] of Object.entries(statusChange())) {
          assert.equal(call.params[name], value, name);
        }
      });

      test(`${type}: work.order.sync, a repeat succeeds`, async () => {
        for (let i = 0; i < 2; i++) {
          assert.deepEqual(withoutRequestID(await execute(sync, workOrder(), type)), { work_order_sync_response: { success: true } });
        }
        assert.deepEqual((await sim.calls()).map((call) => call.accepted), [true, true]);
      });

      test(`${type}: delivery.order.info.send`, async () => {
        assert.deepEqual(withoutRequestID(await execute(send, deliveryOrder(), type)), { result: { success: true } });
        assert.equal((await lastCall()).params.param, deliveryOrder().param);
      });

      test(`${type}: spserviceorder.create, a repeat gets the same order`, async () => {
        const outOrderID = `${client.name}-${type}`;
        const first = withoutRequestID(await execute(create, serviceOrder(outOrderID), type));
        const [, digits] = /"service_order_id":(\d+)/.exec((await lastCall()).reply);
        const [, cards] = /"workcard_ids":\{"number":\[([\d,]+)\]\}/.exec((await lastCall()).reply);
        assert.ok(BigInt(digits) > 2n ** 53n && BigInt(Number(digits)) !== BigInt(digits), `${digits} shows whether ids are exact`);
        assert.deepEqual(first, {
          is_success: true,
          service_order_id: client.id(digits),
          workcard_ids: { number: cards.split(',').map(client.id) },
        });
        assert.equal(first.workcard_ids.number.length, 2);
        assert.deepEqual(withoutRequestID(await execute(create, serviceOrder(outOrderID), type)), first);
        const other = withoutRequestID(await execute(create, serviceOrder(`${outOrderID}-2`), type));
        assert.notDeepEqual(other, first);
      });
    }

    test('bad sign: 25', async () => {
      const call = client.make(sim.gateway, 'another-secret').execute(update, statusChange());
      await rejects(call, 25, undefined, /^Invalid Signature, code 25$/);
      assert.equal((await lastCall()).accepted, false);
    });

    for (const [method, params] of [[update, statusChange], [create, () => serviceOrder('no-session')]]) {
      test(`missing session: 26 (${method})`, async () => {
        const { session, ...rest } = params();
        await rejects(execute(method, rest), 26, undefined, /^Missing Session, code 26$/);
      });

      test(`another session: 27 (${method})`, async () => {
        await rejects(execute(method, { ...params(), session: 'gone' }), 27, 'invalid-sessionkey', /^Invalid Session, code 27/);
      });
    }

    for (const [method, params, name] of [
      [update, () => ({ ...statusChange(), sign_time: '' }), 'sign_time'],
      [create, () => ({ ...serviceOrder('x'), out_order_id: '' }), 'out_order_id'],
      [sync, () => ({ work_order_sync_request: workOrder().work_order_sync_request.replace(',"idempotent_id":"12345"', '') }), 'idempotent_id'],
      [send, () => ({}), 'param'],
    ]) {
      test(`missing argument: 40 (${method})`, async () => {
        await rejects(execute(method, params()), 40, `isv.missing-parameter:${name}`,
          new RegExp(`^Missing Required Arguments, code 40; isv.missing-parameter:${name}: Missing required argument: ${name}$`));
      });
    }

    test('wrong argument: 41', async () => {
      await rejects(execute(update, { ...statusChange(), logistics_order_id: '12a' }), 41, 'isv.invalid-parameter:logistics_order_id',
        /^Invalid Arguments, code 41/);
    });

    test('unknown method: 22', async () => {
      await rejects(execute('taobao.no.such.method', {}), 22, undefined, /^Invalid Method, code 22$/);
    });

    test('ban: 7 with its seconds, for that method only', async () => {
      await sim.setFaults([{ match: { method: send }, action: { ban_seconds: 600, scope: 'app-api' } }]);
      for (let i = 0; i < 2; i++) {
        await rejects(execute(send, deliveryOrder()), 7, 'accesscontrol.limited-by-app-api-access-count',
          /^App Call Limited, code 7; accesscontrol\.limited-by-app-api-access-count: This ban will last for (600|5\d\d) more seconds$/);
      }
      assert.deepEqual(withoutRequestID(await execute(sync, workOrder())), { work_order_sync_response: { success: true } });
    });

    test('business failure: an answer, no error', async () => {
      await sim.setFaults([{ match: { method: send }, action: { business: { success: false, fail_code: '1100', fail_message: '系统异常/' } } }]);
      assert.deepEqual(withoutRequestID(await execute(send, deliveryOrder())),
        { result: { success: false, fail_code: '1100', fail_message: '系统异常/' } });
      assert.equal((await lastCall()).accepted, false);
    });
  });
}
