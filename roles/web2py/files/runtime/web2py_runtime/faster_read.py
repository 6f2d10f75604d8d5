# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions of web2py, pydal and yatl that our patches replace or rely on, as we have read them, by version."""

from __future__ import annotations

from collections.abc import Mapping

from web2py_runtime.patch import ABSENT

Read = Mapping[str, Mapping[str, str]]

CTYPE: Read = {
    "gluon.globals:Request.parse_content_type": {
        "web2py 2.26.1": ABSENT,
        "web2py 3.3.3": "051b15777c1fd0182ce592709c146ff005d09ebe0f407a9b90df32e7ddd6ab1d",
        "web2py of August 2026": "051b15777c1fd0182ce592709c146ff005d09ebe0f407a9b90df32e7ddd6ab1d",
    },
}
COOKIE: Read = {
    "gluon.globals:Session.save_session_id_cookie": {
        "web2py 2.26.1": "0f040d2bcc85166a2cdbe621c6389c6b7627854b83b146b3fcddc108e847b531",
        "web2py 3.3.3": "0f040d2bcc85166a2cdbe621c6389c6b7627854b83b146b3fcddc108e847b531",
        "web2py of August 2026": "0f040d2bcc85166a2cdbe621c6389c6b7627854b83b146b3fcddc108e847b531",
    },
}
EXPOSED: Read = {
    "gluon.compileapp:find_exposed_functions": {
        "web2py 2.26.1": "5f01769aa217e50593cd570759413af75ac05921026d233e69c18a770f093aa5",
        "web2py 3.3.3": "5f01769aa217e50593cd570759413af75ac05921026d233e69c18a770f093aa5",
        "web2py of August 2026": "5f01769aa217e50593cd570759413af75ac05921026d233e69c18a770f093aa5",
    },
}
PLACE: Read = {
    "gluon.recfile:generate": {
        "web2py 2.26.1": "6b5a86d7ef1cbd3994ed73c0835fe4f3d42ca79000812f5a6b4c345e7bb41305",
        "web2py 3.3.3": "6b5a86d7ef1cbd3994ed73c0835fe4f3d42ca79000812f5a6b4c345e7bb41305",
        "web2py of August 2026": "6b5a86d7ef1cbd3994ed73c0835fe4f3d42ca79000812f5a6b4c345e7bb41305",
    },
}
HTML: Read = {
    "gluon.html:xmlescape": {
        "web2py 2.26.1": "f3d4226b1f052145d9d201f601be165b4ec28bc39447c83b7a032a3eeaba4c6b",
        "web2py 3.3.3": "470ee669ef7417c5eda4e193b6209330aec75001d6dfc86cf869e6db1fcf2c3e",
        "web2py of August 2026": "470ee669ef7417c5eda4e193b6209330aec75001d6dfc86cf869e6db1fcf2c3e",
    },
    "gluon.html:local_html_escape": {
        "web2py 2.26.1": "ab65db0e59707cf4779de9037688b8ab8aeddea18c854a0dc8b67a034e5c109e",
        "web2py 3.3.3": "dad21f4044d7bbb4ecb6e3a01bc57d6f95b887575f8b519d50528dba738ea8a4",
        "web2py of August 2026": "dad21f4044d7bbb4ecb6e3a01bc57d6f95b887575f8b519d50528dba738ea8a4",
    },
    "gluon._compat:to_bytes": {
        "web2py 2.26.1": "f72f59c578525aaac55d45e6ce4dda92fb44c239a3f9fcb99463aec505bc88fc",
        "web2py 3.3.3": ABSENT,
        "web2py of August 2026": ABSENT,
    },
    "gluon._compat:to_native": {
        "web2py 2.26.1": "11679f1759a8daa8e9ebd38d5b05c84fd419bffecd369a209a8aba1e21e24593",
        "web2py 3.3.3": ABSENT,
        "web2py of August 2026": ABSENT,
    },
    "gluon.globals:Response.write": {
        "web2py 2.26.1": "17b6317bd0f277cdce274fc891e3a2e56a595ecc6ff83b77676f13daaa603b63",
        "web2py 3.3.3": "ec561cba9d67ada3f2dcf36ec473176a6780f49a0aa8b003a6b70e01dc3c406a",
        "web2py of August 2026": "ec561cba9d67ada3f2dcf36ec473176a6780f49a0aa8b003a6b70e01dc3c406a",
    },
    "gluon.html:A.xml": {
        "web2py 2.26.1": "8bf1a4793671a2eb17c7534c36658b7ea00a64d90e33885532d4f953ecd41ee0",
        "web2py 3.3.3": "8bf1a4793671a2eb17c7534c36658b7ea00a64d90e33885532d4f953ecd41ee0",
        "web2py of August 2026": "8bf1a4793671a2eb17c7534c36658b7ea00a64d90e33885532d4f953ecd41ee0",
    },
    "gluon.html:DIV.__getitem__": {
        "web2py 2.26.1": "4fd7cd72d5177407de2c0fa395dce630a9f2d43927bc0176abfbc23c43d11282",
        "web2py 3.3.3": "4fd7cd72d5177407de2c0fa395dce630a9f2d43927bc0176abfbc23c43d11282",
        "web2py of August 2026": "4fd7cd72d5177407de2c0fa395dce630a9f2d43927bc0176abfbc23c43d11282",
    },
}
PYDAL: Read = {
    "pydal.objects:get_default_validator": {
        "pydal 20260520": "28df84741796b85c518ac26f0f8e1c8fe134e859e0d86464d888f1769eb04751",
        "pydal 20260313.1": "28df84741796b85c518ac26f0f8e1c8fe134e859e0d86464d888f1769eb04751",
    },
    "pydal.objects:Table.__setattr__": {
        "pydal 20260520": "8c1e952bfcf53b51c126d8c8251d4c5d4df38d1dadb0a5e4b3ccd9fc664bd57f",
        "pydal 20260313.1": "8c1e952bfcf53b51c126d8c8251d4c5d4df38d1dadb0a5e4b3ccd9fc664bd57f",
    },
    "pydal.objects:Table.__setitem__": {
        "pydal 20260520": "58188456b67d93814b0920c6b8f30d46523d3f7085f64b75e37776a47a1a97a4",
        "pydal 20260313.1": "58188456b67d93814b0920c6b8f30d46523d3f7085f64b75e37776a47a1a97a4",
    },
}
PATH: Read = {
    "gluon.utils:safe_path_join": {
        "web2py 2.26.1": ABSENT,
        "web2py 3.3.3": "e5c9bf2c0ec9dbaeb558ec778381f812edab9738541bd8be1fd2f792fd968b80",
        "web2py of August 2026": "0eb275e3d56fcb3583759725f2dc030d7e2b704b97dda5b5ed1a20fe3818eebc",
    },
}
TTL: Read = {
    "gluon.main:wsgibase": {
        "web2py 2.26.1": "ca6e7e51336d5c840362cda560500b2d54517b0d3c585e401f480db79f3c1a21",
        "web2py 3.3.3": "09562ceab10208a475e5be31da01491b3520ad8833196fd3e0d52e8b1aaf9d70",
        "web2py of August 2026": "09562ceab10208a475e5be31da01491b3520ad8833196fd3e0d52e8b1aaf9d70",
    },
    "gluon.cfs:getcfs": {
        "web2py 2.26.1": "154237f53700278a802232509e66cd032ee496d17e306011647ec82aafc59a80",
        "web2py 3.3.3": "154237f53700278a802232509e66cd032ee496d17e306011647ec82aafc59a80",
        "web2py of August 2026": "154237f53700278a802232509e66cd032ee496d17e306011647ec82aafc59a80",
    },
    "gluon.compileapp:run_models_in": {
        "web2py 2.26.1": "139e4d6c87e57d86b70f445849c95014e5d4f048206442fe8c339ee8984b55f9",
        "web2py 3.3.3": "332f4037dd4c46ab321d67fe6aa76e979b0daf1f18824386d2868b34052269d2",
        "web2py of August 2026": "332f4037dd4c46ab321d67fe6aa76e979b0daf1f18824386d2868b34052269d2",
    },
    "gluon.compileapp:run_controller_in": {
        "web2py 2.26.1": "3d985f51573502dc7ea38eeeceec362be4c006abcf8b4174fcf5cccc81e15d83",
        "web2py 3.3.3": "154ee4a4b23762094cd9f027588f430cf0ba618392a4f92419eb472f23078946",
        "web2py of August 2026": "154ee4a4b23762094cd9f027588f430cf0ba618392a4f92419eb472f23078946",
    },
    "gluon.compileapp:run_view_in": {
        "web2py 2.26.1": "b0f5e1e91ab43e50cd271c7e91c51bbacab953c281b38ab8bf1b2175b8d01398",
        "web2py 3.3.3": "b0f5e1e91ab43e50cd271c7e91c51bbacab953c281b38ab8bf1b2175b8d01398",
        "web2py of August 2026": "b0f5e1e91ab43e50cd271c7e91c51bbacab953c281b38ab8bf1b2175b8d01398",
    },
    "gluon.fileutils:listdir": {
        "web2py 2.26.1": "4f6972b0f4fef34074f6088d965838f2b16cdfa9034482a3888a0bad77b33394",
        "web2py 3.3.3": "f84b5a5e2744679da83029d3e189e5f2fcc7269d35547605e54b001789659fcc",
        "web2py of August 2026": "f84b5a5e2744679da83029d3e189e5f2fcc7269d35547605e54b001789659fcc",
    },
}
VIEW: Read = {
    "gluon.compileapp:run_view_in": {
        "web2py 2.26.1": "b0f5e1e91ab43e50cd271c7e91c51bbacab953c281b38ab8bf1b2175b8d01398",
        "web2py 3.3.3": "b0f5e1e91ab43e50cd271c7e91c51bbacab953c281b38ab8bf1b2175b8d01398",
        "web2py of August 2026": "b0f5e1e91ab43e50cd271c7e91c51bbacab953c281b38ab8bf1b2175b8d01398",
    },
    "gluon.restricted:compile2": {
        "web2py 2.26.1": "eea6ba42bc06576d6d6a2b6aeb4b49b3d0e8aeac78df8391d48e172ffac22926",
        "web2py 3.3.3": "eea6ba42bc06576d6d6a2b6aeb4b49b3d0e8aeac78df8391d48e172ffac22926",
        "web2py of August 2026": "eea6ba42bc06576d6d6a2b6aeb4b49b3d0e8aeac78df8391d48e172ffac22926",
    },
    "yatl.template:parse_template": {
        "yatl 20260805.1": "8bd0b6a08008977b5baacc5b52bccd3d4228f929d64e1df7c2448a1b9e396a5b",
        "yatl of web2py 3.3.3": "4cb1b4d990383f572e81415adf04252bd2745ed9ab3ad674d6d8530c87f2c89c",
        "yatl 20260518.1": "7293c78d98c9bcd8a0a33b82a3dedb86d4ecb5184962498c0599d8c7f4ccaf4e",
    },
    "yatl.template:TemplateParser._get_file_text": {
        "yatl 20260805.1": "30a3922bfe8ca1383d48ad602c183e9a31edf78d356d915c2ceded2f65f7e138",
        "yatl of web2py 3.3.3": "f5fcd1c870ddfb9fa3841d63fbcbed8f16375dff10bef6453797a2d5aa17bcbc",
        "yatl 20260518.1": "f5fcd1c870ddfb9fa3841d63fbcbed8f16375dff10bef6453797a2d5aa17bcbc",
    },
    "yatl.template:TemplateParser.include": {
        "yatl 20260805.1": "b95a90e425eeac92ce14536251a10d70ee6e39e5d12d77d27ee36b39d84f2711",
        "yatl of web2py 3.3.3": "b95a90e425eeac92ce14536251a10d70ee6e39e5d12d77d27ee36b39d84f2711",
        "yatl 20260518.1": "b95a90e425eeac92ce14536251a10d70ee6e39e5d12d77d27ee36b39d84f2711",
    },
    "yatl.template:TemplateParser.extend": {
        "yatl 20260805.1": "69afc0fe9e0f19223bc389b3b3f35747611d8288c35a15431f35775c631a7bd9",
        "yatl of web2py 3.3.3": "380c82a3e73b5a9c26c26129e2b7d360013f2a97d190287950a699952f72f716",
        "yatl 20260518.1": "380c82a3e73b5a9c26c26129e2b7d360013f2a97d190287950a699952f72f716",
    },
    "yatl.template:TemplateParser.parse": {
        "yatl 20260805.1": "150caac2182ba63c987bd4a9f4d7304ff6e8b37a8e072419bf019619740e256f",
        "yatl of web2py 3.3.3": "e79577700d1cadff0d4a4fa31aab659ae5c1603a2c8b8efe0889f039867b576d",
        "yatl 20260518.1": "e79577700d1cadff0d4a4fa31aab659ae5c1603a2c8b8efe0889f039867b576d",
    },
}
CONN: Read = {
    "gluon.globals:Session.connect": {
        "web2py 2.26.1": "a18cec306196da1a0b157ff15d99fb66b5db1f08c42f77f108ef9555cca8f177",
        "web2py 3.3.3": "8a51d7ca3d3f054cfba2ccf82c074079f3e4b667e372d582f7e74ab3b711a225",
        "web2py of August 2026": "232d6459b8b5492ae1bad51231150b9b4cf38a0dc8e2e6f769c9dbc45f265649",
    },
    "gluon.globals:Session._unchanged": {
        "web2py 2.26.1": "0cc2db71a6484995c9579b408faa8d527c69cac2f5097e6eb81609f0bcf1cb12",
        "web2py 3.3.3": "0cc2db71a6484995c9579b408faa8d527c69cac2f5097e6eb81609f0bcf1cb12",
        "web2py of August 2026": "0cc2db71a6484995c9579b408faa8d527c69cac2f5097e6eb81609f0bcf1cb12",
    },
}
