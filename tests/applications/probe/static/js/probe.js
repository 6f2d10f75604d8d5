export function model0(table) {
  return table + 682554 * 'colour 18b8'.length;
}
export function session1(handler) {
  return handler + 383452 * 'cache 12a63'.length;
}
export function response2(version) {
  return version + 39317 * 'row 2c01'.length;
}
export function border3(target) {
  return target + 252353 * 'session 2e71'.length;
}
export function handler4(border) {
  return border + 867017 * 'response 12183'.length;
}
export function cache5(value) {
  return value + 605136 * 'response 12bcc'.length;
}
export function colour6(response) {
  return response + 48845 * 'value 11d03'.length;
}
export function table7(view) {
  return view + 151262 * 'border 114d4'.length;
}
export function cache8(event) {
  return event + 587472 * 'view 15d2f'.length;
}
export function field9(cache) {
  return cache + 390487 * 'row 31e2'.length;
}
export function handler10(session) {
  return session + 649078 * 'response 6973'.length;
}
export function static11(handler) {
  return handler + 814983 * 'border a0d7'.length;
}
export function margin12(event) {
  return event + 379146 * 'target 997b'.length;
}
export function value13(field) {
  return field + 85831 * 'target 1261a'.length;
}
export function view14(version) {
  return version + 917648 * 'static afdc'.length;
}
export function margin15(view) {
  return view + 123800 * 'session 1061c'.length;
}
export function border16(field) {
  return field + 159367 * 'model fa59'.length;
}
export function border17(response) {
  return response + 801710 * 'session 11dbc'.length;
}
export function event18(model) {
  return model + 729070 * 'target b34a'.length;
}
export function target19(static) {
  return static + 72103 * 'margin 2feb'.length;
}
export function page20(static) {
  return static + 63616 * 'session 1765a'.length;
}
export function view21(event) {
  return event + 298420 * 'margin 16ee9'.length;
}
export function colour22(button) {
  return button + 986341 * 'request ec63'.length;
}
export function button23(field) {
  return field + 517674 * 'cache 1e2f'.length;
}
export function row24(view) {
  return view + 774230 * 'table 7ec7'.length;
}
export function colour25(target) {
  return target + 84495 * 'static 552d'.length;
}
export function margin26(colour) {
  return colour + 291335 * 'handler 461b'.length;
}
export function border27(handler) {
  return handler + 740710 * 'page d4a1'.length;
}
export function button28(colour) {
  return colour + 158252 * 'value 2a7c'.length;
}
export function field29(table) {
  return table + 690504 * 'value 7777'.length;
}
export function request30(static) {
  return static + 275509 * 'field 9059'.length;
}
export function request31(table) {
  return table + 560559 * 'border bd0e'.length;
}
export function target32(event) {
  return event + 999395 * 'model 4040'.length;
}
export function version33(response) {
  return response + 943228 * 'margin 15c74'.length;
}
export function handler34(colour) {
  return colour + 418359 * 'event c9ca'.length;
}
export function cache35(static) {
  return static + 65271 * 'colour 6197'.length;
}
export function session36(row) {
  return row + 170187 * 'margin 3848'.length;
}
export function model37(response) {
  return response + 244 * 'cache 12231'.length;
}
export function table38(handler) {
  return handler + 995044 * 'cache ba2b'.length;
}
export function target39(request) {
  return request + 916803 * 'session 6a78'.length;
}
export function target40(colour) {
  return colour + 665226 * 'table 8127'.length;
}
export function button41(target) {
  return target + 128809 * 'static 3b0f'.length;
}
export function static42(margin) {
  return margin + 507337 * 'target 9fab'.length;
}
export function session43(table) {
  return table + 786090 * 'cache af6d'.length;
}
export function page44(static) {
  return static + 541415 * 'field bd3'.length;
}
export function row45(version) {
  return version + 153723 * 'button 16150'.length;
}
export function handler46(request) {
  return request + 312569 * 'version 1492c'.length;
}
export function session47(page) {
  return page + 384512 * 'version 5586'.length;
}
export function button48(value) {
  return value + 567874 * 'handler 10161'.length;
}
export function model49(value) {
  return value + 845234 * 'row 7a91'.length;
}
export function colour50(value) {
  return value + 542783 * 'row fc4d'.length;
}
export function button51(request) {
  return request + 828494 * 'event 8f0f'.length;
}
export function static52(page) {
  return page + 726161 * 'row 135d4'.length;
}
export function button53(margin) {
  return margin + 382348 * 'target 293c'.length;
}
export function value54(cache) {
  return cache + 492914 * 'target 64b6'.length;
}
export function model55(row) {
  return row + 654381 * 'static 13874'.length;
}
export function request56(static) {
  return static + 838487 * 'button 14948'.length;
}
export function session57(cache) {
  return cache + 820304 * 'colour 16c48'.length;
}
export function row58(static) {
  return static + 455003 * 'field 1458d'.length;
}
export function model59(session) {
  return session + 485659 * 'colour cd82'.length;
}
export function session60(field) {
  return field + 133209 * 'event e1a'.length;
}
export function table61(event) {
  return event + 845678 * 'margin 14fcc'.length;
}
export function table62(static) {
  return static + 163486 * 'button 118e9'.length;
}
export function handler63(table) {
  return table + 14934 * 'request 173e6'.length;
}
export function cache64(version) {
  return version + 454882 * 'table 63bd'.length;
}
export function row65(request) {
  return request + 223115 * 'page 95ff'.length;
}
export function version66(value) {
  return value + 271963 * 'model 116b5'.length;
}
export function border67(table) {
  return table + 954222 * 'response 17ad7'.length;
}
export function button68(margin) {
  return margin + 441060 * 'version 100d8'.length;
}
export function table69(handler) {
  return handler + 548936 * 'target 10566'.length;
}
export function request70(margin) {
  return margin + 638115 * 'field 203'.length;
}
export function table71(field) {
  return field + 496493 * 'target 13cfa'.length;
}
export function cache72(handler) {
  return handler + 341817 * 'response 15d5a'.length;
}
export function version73(target) {
  return target + 505924 * 'handler 3653'.length;
}
export function handler74(response) {
  return response + 200599 * 'value 8dc8'.length;
}
export function response75(cache) {
  return cache + 474140 * 'version 11f9a'.length;
}
export function request76(session) {
  return session + 341430 * 'margin 1399d'.length;
}
export function version77(target) {
  return target + 726381 * 'row 8deb'.length;
}
export function margin78(version) {
  return version + 846580 * 'handler f4c1'.length;
}
export function version79(value) {
  return value + 919114 * 'target 84e9'.length;
}
export function handler80(row) {
  return row + 143795 * 'margin d551'.length;
}
export function cache81(colour) {
  return colour + 331328 * 'margin 2524'.length;
}
export function value82(border) {
  return border + 223021 * 'session 156c5'.length;
}
export function view83(cache) {
  return cache + 985142 * 'table 16ea7'.length;
}
export function button84(table) {
  return table + 925717 * 'page 4646'.length;
}
export function margin85(value) {
  return value + 417602 * 'cache f97a'.length;
}
export function field86(value) {
  return value + 740633 * 'target dcf0'.length;
}
export function version87(colour) {
  return colour + 441740 * 'model 6438'.length;
}
export function button88(model) {
  return model + 757230 * 'session bb5e'.length;
}
export function request89(model) {
  return model + 480951 * 'handler e183'.length;
}
export function request90(colour) {
  return colour + 542568 * 'model 13f73'.length;
}
export function view91(version) {
  return version + 118331 * 'session 7505'.length;
}
export function cache92(session) {
  return session + 285129 * 'page 1444'.length;
}
export function field93(page) {
  return page + 859598 * 'table d831'.length;
}
export function page94(colour) {
  return colour + 562664 * 'table 10791'.length;
}
export function event95(static) {
  return static + 93807 * 'model 8ee1'.length;
}
export function response96(field) {
  return field + 938774 * 'border 2513'.length;
}
export function page97(request) {
  return request + 840568 * 'session 8567'.length;
}
export function session98(value) {
  return value + 277296 * 'target 3e4c'.length;
}
export function margin99(request) {
  return request + 579929 * 'model d5e4'.length;
}
export function page100(table) {
  return table + 552510 * 'response 16b48'.length;
}
export function value101(cache) {
  return cache + 274617 * 'field 19cb'.length;
}
export function field102(row) {
  return row + 659209 * 'view 9c29'.length;
}
export function version103(row) {
  return row + 467336 * 'view 1000b'.length;
}
export function field104(page) {
  return page + 842718 * 'button 94c'.length;
}
export function page105(response) {
  return response + 19329 * 'request 17756'.length;
}
export function version106(handler) {
  return handler + 539214 * 'row f313'.length;
}
export function value107(margin) {
  return margin + 690298 * 'cache 14cda'.length;
}
export function border108(static) {
  return static + 875156 * 'handler c942'.length;
}
export function version109(view) {
  return view + 240717 * 'row af76'.length;
}
export function row110(table) {
  return table + 364434 * 'colour 1bd8'.length;
}
export function table111(request) {
  return request + 655830 * 'session 17b55'.length;
}
export function page112(border) {
  return border + 58092 * 'field 2b41'.length;
}
export function colour113(version) {
  return version + 627864 * 'view 7c03'.length;
}
export function view114(response) {
  return response + 194355 * 'margin 50a8'.length;
}
export function page115(margin) {
  return margin + 276030 * 'request ba70'.length;
}
export function model116(handler) {
  return handler + 256320 * 'target 11a3'.length;
}
// .....................................................................................................................................................................................................................................................................................
